// Small helps; every page works for reading without them.
"use strict";
document.addEventListener("keydown", (e) => {
  // "/" goes to the search field, as long as nothing is being typed.
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName || "");
  if (e.key === "/" && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) {
    const find = document.getElementById("find");
    if (find) { e.preventDefault(); find.focus(); }
  }
});
document.addEventListener("submit", (e) => {
  // A form is sent once, however often it is clicked.
  const form = e.target;
  if (form.dataset.sent) { e.preventDefault(); return; }
  if (form.method === "post") form.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
