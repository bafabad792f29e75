// The browser tells what it shows and what is clicked; the shop hands it on to Target.
const offer = document.getElementById("offer");

async function tell(type) {
  const body = JSON.stringify({ type, token: offer.dataset.token, state: offer.dataset.state });
  await fetch("/told", { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: true });
  setTimeout(showRecorded, 300);
}

async function showRecorded() {
  const recorded = await (await fetch("/recorded")).json();
  const rows = recorded.map((told) => {
    const row = document.createElement("tr");
    const at = new Date(told.timestamp).toLocaleTimeString("en-GB");
    for (const text of [told.type, told.mbox.name, at, told.id]) {
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
    tell("display");
  });
  for (const link of offer.querySelectorAll("a")) {
    link.addEventListener("click", () => tell("click"));
  }
}
showRecorded();
