// Asks each application who it is, every two seconds while somebody looks, and counts the replicas that answered.

const EVERY = 2000; // milliseconds
const PATIENCE = 5000;
const GONE = 20000; // a replica silent for so long is shown faded
const FIELDS = ["app", "framework", "server", "replica", "pid", "python"];

const pause = document.querySelector("#pause");
let paused = false;

class Card {
  constructor(element) {
    this.service = element.dataset.service;
    element.append(document.querySelector("#live").content.cloneNode(true));
    this.state = element.querySelector(".state");
    this.who = element.querySelector(".who");
    this.tally = element.querySelector(".tally");
    this.dots = document.querySelector(`[data-dots="${this.service}"]`);
    this.seen = new Map(); // replica -> {count, last, line, dot}
  }

  async ask() {
    const started = performance.now();
    try {
      const answer = await fetch(`/${this.service}/`, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      const body = await answer.json();
      if (!answer.ok) throw new Error(`${answer.status}: ${body.detail}`);
      this.show(body, Math.round(performance.now() - started));
    } catch (problem) {
      this.fail(problem);
    }
  }

  show(body, milliseconds) {
    this.say("good", `Answered in ${milliseconds} ms`);
    this.who.hidden = false;
    for (const name of FIELDS) this.who.querySelector(`[data-field=${name}]`).textContent = body[name];
    this.count(body.replica);
  }

  fail(problem) {
    const silent = problem.name === "TimeoutError" || problem.name === "TypeError";
    this.say("bad", silent ? "No answer" : problem.message);
    this.draw(null);
  }

  say(mood, text) {
    this.state.className = `state ${mood}`;
    this.state.querySelector("[data-field=state]").textContent = text;
  }

  count(replica) {
    const one = this.seen.get(replica) ?? this.add(replica);
    one.count += 1;
    one.last = Date.now();
    this.draw(replica);
  }

  add(replica) {
    const line = document.createElement("li");
    const one = { count: 0, last: 0, line, dot: document.createElement("i") };
    line.append(document.createElement("span"), document.createElement("span"));
    line.firstChild.textContent = replica;
    this.seen = new Map([...this.seen, [replica, one]].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true })));
    this.tally.replaceChildren(...[...this.seen.values()].map((each) => each.line));
    this.dots.append(one.dot);
    return one;
  }

  draw(answered) {
    const total = [...this.seen.values()].reduce((sum, one) => sum + one.count, 0);
    for (const [replica, one] of this.seen) {
      const gone = Date.now() - one.last > GONE;
      one.line.className = gone ? "gone" : replica === answered ? "now" : "";
      one.line.lastChild.textContent = one.count;
      one.line.style.setProperty("--share", `${(100 * one.count) / total}%`);
      one.dot.className = replica === answered ? "now" : "";
      one.dot.hidden = gone;
    }
  }
}

const cards = [...document.querySelectorAll("[data-service]")].map((element) => new Card(element));

async function round() {
  if (!document.hidden && !paused) await Promise.all(cards.map((card) => card.ask()));
  setTimeout(round, EVERY);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Continue" : "Pause";
});

round();
