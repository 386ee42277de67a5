// Keeps the board as it is now; the page is whole without it.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live || !window.EventSource) return;
  const clock = new Intl.DateTimeFormat("vi-VN", { timeStyle: "medium", timeZone: "Asia/Ho_Chi_Minh" });
  const say = (text, lost) => { live.textContent = text; live.classList.toggle("live-lost", lost); };
  const source = new EventSource(live.dataset.stream);
  source.addEventListener("board", (e) => {
    for (const [name, html] of Object.entries(JSON.parse(e.data))) {
      const part = document.querySelector(`[data-part="${name}"]`);
      if (!part) continue;
      // Who is on a link of it, or has opened its figures, keeps the place.
      const at = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const open = [...part.querySelectorAll("details")].map((d) => d.open);
      part.innerHTML = html;
      [...part.querySelectorAll("details")].forEach((d, i) => { d.open = Boolean(open[i]); });
      if (at) part.querySelector(`a[href="${CSS.escape(at)}"]`)?.focus();
    }
    say(`${live.dataset.live} · ${clock.format(new Date())}`, false);
  });
  source.addEventListener("error", () => {
    // A stream that ends after its minute comes back by itself; one that is refused does not.
    if (source.readyState === EventSource.CLOSED) { say(live.dataset.lost, true); setTimeout(() => location.reload(), 15000); }
    else setTimeout(() => { if (source.readyState !== EventSource.OPEN) say(live.dataset.lost, true); }, 6000);
  });
})();
