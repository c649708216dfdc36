// Renews what changes by itself, and presses buttons without leaving the page.
"use strict";

const told = document.getElementById("told");

function busy(element) {
  return element.contains(document.activeElement) && document.activeElement !== document.body;
}

// Takes over what differs. Parts that hold the focus, and forms, stay as they are.
function renew(fresh) {
  for (const list of document.querySelectorAll("[data-list]")) {
    const other = fresh.querySelector(`[data-list="${CSS.escape(list.dataset.list)}"]`);
    if (!other) continue;
    for (const card of [...list.children]) {
      if (!fresh.getElementById(card.id)) card.remove();
    }
    for (const card of [...other.children]) {
      if (!document.getElementById(card.id)) list.append(document.importNode(card, true));
    }
    const none = list.nextElementSibling;
    if (none && none.className === "none") none.hidden = list.children.length > 0;
  }
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other && other.innerHTML !== part.innerHTML && !busy(part)) part.innerHTML = other.innerHTML;
  }
}

async function refresh() {
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    renew(new DOMParser().parseFromString(await response.text(), "text/html"));
    if (document.body.classList.replace("gone", "here")) told.textContent = "";
  } catch {
    document.body.classList.remove("here");
    document.body.classList.add("gone");
    told.textContent = "The sandbox does not answer: it has probably ended.";
  }
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(event.target, event.submitter));
  const address = event.submitter?.hasAttribute("formaction") ? event.submitter.formAction : event.target.action;
  try {
    const response = await fetch(address, { method: "POST", body: fields, headers: { Accept: "text/plain" } });
    told.textContent = await response.text();
    told.classList.toggle("failed", !response.ok);
  } finally {
    // A token's button turns into its opposite under the focus; let it.
    if (event.target.closest("[data-live]")) document.activeElement.blur();
    await refresh();
  }
});

setInterval(() => { if (!document.hidden) refresh(); }, 1000);
