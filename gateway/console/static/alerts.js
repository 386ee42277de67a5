// How many alerts nobody has taken, in the top bar; asked now and then while the page is seen.
"use strict";
(() => {
  const place = document.getElementById("alert-count");
  if (!place) return;
  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(place.dataset.ask, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!answer.ok) return;
      const told = await answer.json();
      place.textContent = told.untaken ? `${place.dataset.word}: ${told.untaken}` : place.dataset.word;
      place.className = told.urgent ? "badge bad" : told.untaken ? "badge doubt" : "badge none";
    } catch { /* the next one may get through */ }
  };
  ask();
  setInterval(ask, 60000);
  document.addEventListener("visibilitychange", ask);
})();
