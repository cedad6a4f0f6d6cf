// A formula or table that is wider than the page scrolls; let the keyboard reach it then.
async function reach() {
  await window.MathJax?.startup?.promise;
  for (const wide of document.querySelectorAll("mjx-container[display], table:not(.table)")) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
    else wide.removeAttribute("tabindex");
  }
}
addEventListener("load", reach);
addEventListener("resize", reach);
