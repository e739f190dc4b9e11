// Browsers start no worker for a page that was opened from the file system, and the search needs one: there, and only
// there, its script runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.onmessage = null;
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html><title>search</title>";
      frame.addEventListener("load", () => {
        const inside = frame.contentWindow;
        inside.postMessage = data => {
          const event = new MessageEvent("message", { data });
          this.dispatchEvent(event);
          this.onmessage?.(event);
        };
        inside.importScripts = (...urls) => Promise.all(urls.map(each => load(inside, each)));
        load(inside, url).then(() => {
          this.inside = inside;
          this.waiting.splice(0).forEach(data => this.postMessage(data));
        });
      }, { once: true });
      document.body.append(frame);
      this.frame = frame;
    }
    postMessage(data) {
      if (this.inside) this.inside.dispatchEvent(new MessageEvent("message", { data }));
      else this.waiting.push(data);
    }
    terminate() {
      this.frame.remove();
    }
  };
  const load = (inside, url) => new Promise((done, failed) => {
    const script = inside.document.createElement("script");
    Object.assign(script, { src: url, onload: done, onerror: failed });
    inside.document.body.append(script);
  });
}
