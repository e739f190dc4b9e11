// The line between before and after follows the range below the picture, which keyboard and touch move as well.
document.addEventListener("input", event => {
  const pair = event.target.closest?.(".before-after");
  if (pair) pair.style.setProperty("--cut", `${event.target.value}%`);
});

// The search takes a leading "-" for "without this word", and people look for options by their names.
document.addEventListener("input", event => {
  const field = event.target;
  if (field.matches?.(".md-search__input")) field.value = field.value.replace(/(^|\s)-+(?=\w)/g, "$1");
}, true);
