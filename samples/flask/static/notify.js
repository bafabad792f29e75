// Reports displays and clicks to the shop, which forwards them to Target.
const offer = document.getElementById("offer");

async function notify(type) {
  const tokens = JSON.parse(offer.dataset[type]);
  if (!tokens.length) {
    return; // nothing to report, for example because no activity measures clicks
  }
  const body = JSON.stringify({ type, tokens, state: offer.dataset.state });
  await fetch("/notify", { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: true });
  setTimeout(showRecorded, 300);
}

async function showRecorded() {
  const recorded = await (await fetch("/recorded")).json();
  const rows = recorded.map((notification) => {
    const row = document.createElement("tr");
    const at = new Date(notification.timestamp).toLocaleTimeString("en-GB");
    for (const text of [notification.type, notification.mbox.name, at, notification.id]) {
      row.appendChild(document.createElement("td")).textContent = text;
    }
    return row;
  });
  document.getElementById("recorded").replaceChildren(...rows);
}

if (offer) {
  const unseen = document.getElementById("unseen");
  unseen.querySelector("button").addEventListener("click", () => {
    unseen.remove();
    offer.hidden = false;
    notify("display");
  });
  for (const link of offer.querySelectorAll("a")) {
    link.addEventListener("click", () => notify("click"));
  }
}
showRecorded();
