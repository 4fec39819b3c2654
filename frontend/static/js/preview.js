// Keeps what a form says about who will see what true while somebody writes in it. The words are the server's own, in
// its answer to this form as it stands; it asks this server and nobody else, and every form works without it.
"use strict";

const PAUSE = 400; // milliseconds without a change

const sparing =
  navigator.connection?.saveData || window.matchMedia("(prefers-reduced-data: reduce)").matches;
if (!sparing) for (const form of document.querySelectorAll("form[data-preview]")) follow(form);

function follow(form) {
  const sight = form.querySelector("[data-sight]");
  const before = form.querySelector("[data-before]");
  // Nothing may jump away under a finger: the line has its place from the beginning, and the sight never shrinks.
  before.hidden = false;
  before.style.visibility = "hidden";
  let shown = written(form).toString();
  let pause = 0;
  let question = null;

  form.addEventListener("input", () => {
    stop();
    pause = setTimeout(look, PAUSE);
  });
  form.addEventListener("submit", stop);

  function stop() {
    clearTimeout(pause);
    question?.abort();
  }

  async function look() {
    const body = written(form);
    const said = body.toString();
    if (said === shown) return;
    question = new AbortController();
    try {
      const answer = await fetch(form.getAttribute("action"), {
        method: "POST",
        body,
        credentials: "same-origin",
        redirect: "error",
        signal: question.signal,
      });
      if (show(await answer.text())) shown = said;
    } catch {
      // Given up for a newer question, or the way there is broken: what stands here stays.
    }
  }

  function show(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const found = page.querySelector(`[data-sight="${sight.dataset.sight}"]`);
    if (!found) return false;
    // Of a form that cannot be read yet the server says only what it says of every form.
    const told = "told" in found.dataset;
    before.style.visibility = told || !("told" in sight.dataset) ? "hidden" : "visible";
    if (!told) return true;
    sight.dataset.told = "";
    if (found.innerHTML !== sight.innerHTML) {
      sight.style.minBlockSize = `${sight.offsetHeight}px`;
      sight.replaceChildren(...document.importNode(found, true).childNodes);
    }
    return true;
  }
}

// All that the form says but the button that writes, marked so that the server writes nothing. Words that are for few
// eyes stay here until a button is pressed: that there are some is enough.
function written(form) {
  const body = new URLSearchParams(new FormData(form));
  for (const field of form.querySelectorAll("[data-unsent]")) {
    if (field.value) body.set(field.name, "…");
  }
  body.set("look", "live");
  return body;
}
