// The line between before and after follows the range below the picture, which keyboard and touch move as well.
document.addEventListener("input", event => {
  const pair = event.target.closest?.(".before-after");
  if (pair) pair.style.setProperty("--cut", `${event.target.value}%`);
});
