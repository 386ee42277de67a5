// Search as you type, and files one by one with their progress. The page works without.
"use strict";
(() => {
  const draft = document.getElementById("draft");
  const finder = document.getElementById("f-q");
  const found = document.getElementById("found");
  let asked = 0;
  finder?.addEventListener("input", async () => {
    const mine = ++asked;
    const text = finder.value.trim();
    if (!text) { found.replaceChildren(); return; }
    try {
      const answer = await fetch(`${finder.dataset.finder}?q=${encodeURIComponent(text)}`);
      const page = await answer.text();
      // Only the newest question counts, whatever order the answers come in.
      if (mine === asked && answer.ok) found.innerHTML = page;
    } catch { /* the button still works */ }
  });
  finder?.addEventListener("keydown", (e) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    (found.querySelector("button") || draft.querySelector("[value=find]")).click();
  });

  const upload = document.getElementById("upload");
  const progress = document.getElementById("progress");
  function send(file) {
    return new Promise((done) => {
      const bar = document.createElement("progress");
      const label = document.createElement("p");
      label.textContent = `${upload.dataset.said} ${file.name}`;
      bar.setAttribute("aria-label", file.name);
      progress.append(label, bar);
      const body = new FormData();
      body.append("_csrf", upload.querySelector("[name=_csrf]").value);
      body.append("file", file);
      const asking = new XMLHttpRequest();
      asking.open("POST", upload.action);
      asking.upload.addEventListener("progress", (e) => {
        if (e.lengthComputable) { bar.max = e.total; bar.value = e.loaded; }
      });
      asking.addEventListener("loadend", () => {
        bar.remove();
        const good = asking.status >= 200 && asking.status < 400;
        if (!good) {
          const page = new DOMParser().parseFromString(asking.responseText, "text/html");
          const said = [...page.querySelectorAll(".findings li")].map((li) => li.textContent);
          label.className = "fault";
          label.textContent = `${upload.dataset.failed}: ${file.name}. ${said.join(" ") || page.querySelector("h1")?.textContent || ""}`;
        } else { label.remove(); }
        done(good);
      });
      asking.send(body);
    });
  }
  upload?.addEventListener("submit", async (e) => {
    e.preventDefault();
    e.stopImmediatePropagation();
    const files = [...document.getElementById("f-file").files];
    if (!files.length) return;
    progress.replaceChildren();
    // What was typed is kept first: the page is loaded anew afterwards.
    await fetch(draft.action, { method: "POST", body: new URLSearchParams(new FormData(draft)) });
    let good = true;
    for (const file of files) good = (await send(file)) && good;
    if (good) { location.reload(); return; }
    // What was refused stays in sight; what was taken is shown, and the form keeps its place.
    const page = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
    draft.elements.revision.value = page.querySelector("#draft [name=revision]").value;
    const list = page.querySelector("#files .files");
    if (list) document.querySelector("#files .files, #files > .soft")?.replaceWith(list);
    document.getElementById("f-file").value = "";
    delete upload.dataset.sent;
    progress.querySelector(".fault")?.scrollIntoView();
  }, true);
})();
