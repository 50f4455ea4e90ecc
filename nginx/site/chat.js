// The chat box: listens on one WebSocket, posts through whichever application is chosen.

const FIRST_WAIT = 500; // milliseconds, doubled up to LAST_WAIT while no replica can be reached
const LAST_WAIT = 8000;
const KEPT = 200; // messages on the page

const link = document.querySelector("#link");
const messages = document.querySelector("#messages");
const form = document.querySelector("#post");
const problem = document.querySelector("#problem");

let socket;
let wait = FIRST_WAIT;
let newest = null; // the last id seen: after a break the rest is replayed from there

function connect() {
  const after = newest === null ? "" : `?after=${newest}`;
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/fastapi/ws/chat${after}`);
  socket.addEventListener("open", opened);
  socket.addEventListener("message", (event) => received(JSON.parse(event.data)));
  socket.addEventListener("close", closed);
}

function opened() {
  wait = FIRST_WAIT;
  tell("good", "Connected to FastAPI");
}

function closed() {
  tell("bad", "Connection lost, trying again");
  setTimeout(connect, wait * (0.5 + Math.random())); // not every browser in the same moment
  wait = Math.min(wait * 2, LAST_WAIT);
}

function tell(mood, text) {
  link.className = `state ${mood}`;
  link.querySelector("[role=status]").textContent = text;
}

function received(row) {
  if (row.error) return void (problem.textContent = row.detail);
  newest = row.id;
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 40;
  messages.append(line(row));
  if (messages.children.length > KEPT) messages.firstChild.remove();
  if (atEnd) messages.scrollTop = messages.scrollHeight;
}

function line(row) {
  const item = document.createElement("li");
  const at = new Date(row.at).toLocaleTimeString();
  for (const [tag, text] of [["b", row.author], ["small", `${row.replica} · ${at}`], ["span", row.text]])
    item.append(Object.assign(document.createElement(tag), { textContent: text }));
  return item;
}

async function send(service, message) {
  if (!service) return socket.send(JSON.stringify(message));
  const answer = await fetch(`/${service}/messages`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": key() },
    body: JSON.stringify(message),
  });
  if (!answer.ok) throw new Error((await answer.json()).detail);
}

// randomUUID exists on https and localhost only; the page may be read by address.
function key() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  return [...bytes].map((each, at) => ([4, 6, 8, 10].includes(at) ? "-" : "") + each.toString(16).padStart(2, "0")).join("");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { author, service, text } = Object.fromEntries(new FormData(form));
  problem.textContent = "";
  try {
    await send(service, { author, text });
    form.elements.text.value = "";
    form.elements.text.focus();
  } catch (reason) {
    problem.textContent = reason.message || "The message could not be sent.";
  }
});

connect();
