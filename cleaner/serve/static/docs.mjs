// The description of the service for people: reads its own OpenAPI document, and draws it as text.

function element(kind, text = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function table(rows) {
  const made = element("table");
  for (const cells of rows) {
    const row = element("tr");
    row.append(...cells.map((text) => element("td", text)));
    made.append(row);
  }
  return made;
}

function command(path, secured) {
  const word = secured ? ' -H "Authorization: Bearer $TOKEN"' : "";
  const body = { "/classify": " -F files=@one.jpg -F files=@two.jpg", "/dispute": " -F file=@one.jpg" };
  const query = { "/classify-url": "?url=https://example.org/picture.jpg", "/dispute": "?class=…" };
  return `curl${word}${body[path] ?? ""} "${location.origin}${path}${query[path] ?? ""}"`;
}

function section(path, method, described, secured) {
  const made = element("section");
  made.append(element("h2", `${method.toUpperCase()} ${path}`), element("p", described.summary));
  if (described.requestBody) made.append(element("p", described.requestBody.description));
  made.append(element("pre", command(path, secured && !described.security)));
  const parameters = described.parameters ?? [];
  if (parameters.length) made.append(table(parameters.map(({ name, description }) => [name, description])));
  made.append(table(Object.entries(described.responses).map(([status, { description }]) => [status, description])));
  return made;
}

try {
  const { info, paths, security } = await (await fetch("/openapi.json")).json();
  document.getElementById("about").textContent = info.description;
  for (const [path, methods] of Object.entries(paths))
    for (const [method, described] of Object.entries(methods))
      document.getElementById("paths").append(section(path, method, described, Boolean(security)));
} catch {
  document.getElementById("about").textContent = "The service does not answer; is it still running?";
}
