// Live updates, and small comforts that the pages work without.
"use strict";

// A page with data-events on its main element is told when something has changed. Then it is loaded again, and every
// element with data-live is replaced by its successor, unless the person is typing in it.
function follow(main) {
  const source = new EventSource(main.dataset.events);
  const note = document.getElementById("live-note");
  let busy = false, again = false;
  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Studio-Live": "1" } });
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) {
        const fresh = next.getElementById(old.id);
        if (!fresh || old.contains(document.activeElement) && old.querySelector("input, textarea")) continue;
        if (fresh.innerHTML === old.innerHTML) continue;
        const log = old.querySelector(".log");
        const atEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
        old.replaceWith(document.adoptNode(fresh));
        const now = document.getElementById(old.id).querySelector(".log");
        if (now && atEnd) now.scrollTop = now.scrollHeight;
      }
    } finally {
      busy = false;
      if (again) { again = false; refresh(); }
    }
  }
  source.addEventListener("changed", refresh);
  source.addEventListener("over", () => {
    source.close();
    refresh();
    if (note) note.textContent = "";
  });
  if (note) note.textContent = "Updated live";
}

// Choosing runs to compare: the button says how many.
function count(form) {
  const button = form.querySelector("button[data-compare]");
  const update = () => {
    const chosen = form.querySelectorAll("input[name=run]:checked").length;
    button.textContent = chosen ? `Compare ${chosen} runs` : "Compare";
  };
  form.addEventListener("change", update);
  update();
}

document.addEventListener("DOMContentLoaded", () => {
  const main = document.querySelector("main[data-events]");
  if (main) follow(main);
  for (const form of document.querySelectorAll("form[data-choose]")) count(form);
  for (const log of document.querySelectorAll(".log[data-end]")) log.scrollTop = log.scrollHeight;
  for (const field of document.querySelectorAll("select[data-go]")) field.addEventListener("change", () => field.form.submit());
});
