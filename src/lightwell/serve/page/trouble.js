/** What is refused or fails, in one sentence. */
export class Trouble extends Error {
  constructor(detail, status = 0, wait = 0) {
    super(detail);
    this.status = status;
    this.wait = wait;
  }
}

export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
