// The page where one drops a picture: asks the service for each, and draws the answers.
// Names of files and classes are foreign text: they are only ever set as text.

const SHOWN = 5; // classes before one asks for all
const AT_ONCE = 2; // pictures asked for at the same time
const TRIES = 5; // while the service is busy
const CARDS = 60; // pictures kept on the page

const place = (id) => document.getElementById(id);
const waiting = [];
let asking = 0;
let token = "";
let keeps = false; // whether the service keeps what somebody says is wrong

/** Make an element with a class and a text. */
function element(kind, { className = "", text = "" } = {}) {
  const made = document.createElement(kind);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Say a probability as the rest of the program does: never 0 % nor 100 % of what is only nearly so. */
export function percent(share) {
  if (share > 0 && share < 0.005) return "<1 %";
  if (share >= 0.995 && share < 1) return ">99 %";
  return `${Math.round(share * 100)} %`;
}

function say(text, { wrong = false } = {}) {
  const said = place("said");
  said.textContent = text;
  said.classList.toggle("wrong", wrong);
}

/** Ask the service; returns its answer, or throws an Error with its sentence and the status. */
async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The service does not answer; is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const sentence = answer.error ?? `The service answered with status ${response.status}.`;
  const after = Number(response.headers.get("Retry-After")) || 1;
  throw Object.assign(new Error(sentence), { status: response.status, after });
}

/** Ask again while the service is busy, after the time that it says. */
async function askPatiently(path, options) {
  for (let left = TRIES; ; left -= 1) {
    try {
      return await ask(path, options);
    } catch (error) {
      if (error.status !== 503 || left === 1) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.after * 1000));
    }
  }
}

function addCard({ name, blob }) {
  const card = element("article", { className: "card" });
  const shown = element("div", { className: "shown" });
  const title = element("div", { className: "name" });
  const body = element("div", { className: "body" });
  title.append(element("bdi", { text: name }));
  title.title = name;
  body.append(element("p", { text: "Asking …" }));
  if (blob) {
    const picture = document.createElement("img");
    picture.alt = "";
    picture.src = URL.createObjectURL(blob);
    picture.addEventListener("error", () => picture.replaceWith("No preview")); // a kind not for browsers
    shown.append(picture);
  } else {
    shown.append("No preview");
  }
  card.append(shown, title, body);
  place("answers").prepend(card);
  while (place("answers").children.length > CARDS) dropCard(place("answers").lastElementChild);
  place("clear").hidden = false;
  return body;
}

function dropCard(card) {
  const picture = card.querySelector("img");
  if (picture) URL.revokeObjectURL(picture.src);
  card.remove();
}

function bar([name, share]) {
  const line = element("li");
  const track = element("div", { className: "track" });
  const filled = element("div");
  filled.style.width = `${share * 100}%`;
  track.append(filled);
  line.append(
    element("bdi", { text: name }),
    element("span", { className: "share", text: percent(share) }),
    track,
  );
  return line;
}

function drawPredictions(body, predictions) {
  const list = element("ol");
  list.append(...predictions.slice(0, SHOWN).map(bar));
  body.replaceChildren(list);
  if (predictions.length <= SHOWN) return;
  const more = element("button", { text: `All ${predictions.length} classes` });
  more.addEventListener("click", () => {
    list.append(...predictions.slice(SHOWN).map(bar));
    more.remove();
  });
  body.append(more);
}

/** Offer to say what the picture really shows; it is sent once more, to be kept as that. */
function drawDispute(body, { others, options }) {
  const wrong = element("button", { text: "That is wrong" });
  const form = element("form", { className: "dispute" });
  const label = element("label", { text: "It is" });
  const choice = document.createElement("select");
  choice.append(...others.map(([name]) => new Option(name, name)));
  label.append(choice);
  form.append(label, element("button", { text: "Send" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = element("p", { text: "Sending …" });
    form.replaceWith(said);
    try {
      const path = `/dispute?class=${encodeURIComponent(choice.value)}`;
      const { kept_as: name } = await askPatiently(path, options);
      const known = name === choice.value ? "" : ", as somebody has decided before";
      said.replaceChildren("Kept as ", element("bdi", { text: name }), `${known}.`);
    } catch (error) {
      if (error.status === 401) askForToken();
      said.className = "wrong";
      said.textContent = error.message;
    }
  });
  wrong.addEventListener("click", () => {
    wrong.replaceWith(form);
    choice.focus();
  });
  body.append(wrong);
}

async function answer({ body, blob, path, options }) {
  try {
    const { predictions } = await askPatiently(path, options);
    drawPredictions(body, predictions);
    const others = predictions.slice(1); // the likeliest first
    if (keeps && blob && others.length) drawDispute(body, { others, options });
  } catch (error) {
    if (error.status === 401) askForToken();
    body.replaceChildren(element("p", { className: "wrong", text: error.message }));
  }
}

async function work() {
  if (asking >= AT_ONCE || !waiting.length) return;
  asking += 1;
  await answer(waiting.shift());
  asking -= 1;
  const left = waiting.length + asking;
  say(left ? `${left} to go …` : "Done.");
  work();
}

function enqueue({ name, blob, path, options }) {
  waiting.push({ body: addCard({ name, blob }), blob, path, options });
  say(`${waiting.length + asking} to go …`);
  work();
}

function classify(files) {
  const found = [...files];
  if (!found.length) say("There was no picture in that; drop or paste an image file.", { wrong: true });
  for (const file of found) {
    const headers = { "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream" };
    const options = { method: "POST", body: file, headers };
    enqueue({ name: file.name || "picture", blob: file, path: "/classify", options });
  }
}

function askForToken() {
  place("token").hidden = false;
  place("ask").hidden = true;
  place("secret").focus();
}

/** Find out what the service offers, and whether it knows us. */
async function meet() {
  try {
    const { classes } = await ask("/classes");
    const few = classes.slice(0, 8).join(", ");
    const rest = classes.length > 8 ? `, … ${classes.length} classes` : "";
    place("about").textContent = `It tells apart: ${few}${rest}`;
    place("token").hidden = true;
    place("ask").hidden = false;
    say("");
  } catch (error) {
    if (error.status !== 401) say(error.message, { wrong: true });
    else say(token ? "That is not the token of this service." : "", { wrong: true });
    if (error.status === 401) askForToken();
    return;
  }
  const { paths } = await ask("/openapi.json").catch(() => ({ paths: {} }));
  place("fetch").hidden = !("/classify-url" in paths);
  keeps = "/dispute" in paths;
  place("keeps").hidden = !keeps;
}

function listen() {
  place("files").addEventListener("change", (event) => {
    classify(event.target.files);
    event.target.value = ""; // the same file can be chosen again
  });
  addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type !== "file") return;
    classify(event.clipboardData.files);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    addEventListener(kind, (event) => {
      event.preventDefault(); // or the browser leaves the page for the file
      place("drop").classList.toggle("over", kind === "dragover");
    });
  }
  addEventListener("drop", (event) => {
    if (!place("ask").hidden) classify(event.dataTransfer.files);
  });
  place("fetch").addEventListener("submit", (event) => {
    event.preventDefault();
    const url = place("url").value;
    enqueue({ name: url, path: `/classify-url?url=${encodeURIComponent(url)}` });
  });
  place("token").addEventListener("submit", (event) => {
    event.preventDefault();
    token = place("secret").value.trim();
    meet();
  });
  place("clear").addEventListener("click", () => {
    [...place("answers").children].forEach(dropCard);
    place("clear").hidden = true;
    say("");
  });
}

if (place("drop")) {
  // the link that the service prints carries the token where no server and no log sees it
  token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (location.hash) history.replaceState(null, "", location.pathname);
  listen();
  meet();
}
