"use strict";
// Shows the results of Python, which are in #data, beside the picture. Text goes in as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const embedded = window.parent !== window;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const SMALLEST_TEXT = 9; // pixels, as the page opens
const NAMESPACES = { svg: "http://www.w3.org/2000/svg", math: "http://www.w3.org/1998/Math/MathML" };

const now = { picture: 0, step: 0, node: null, timer: 0 };
const picture = () => data.pictures[now.picture];
const svg = () => at(`p${now.picture}`);
const drawn = (id) => at(`p${now.picture}-${id}`);

// -- making elements --------------------------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const [kind, name] = tag.includes(":") ? tag.split(":") : ["", tag];
  const element = kind ? document.createElementNS(NAMESPACES[kind], name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  return filled(element, ...children);
}

function filled(element, ...children) { // false children are left out
  element.replaceChildren(...children.filter(Boolean));
  return element;
}

function mathematics([tag, ...children]) {
  const inside = children.map((child) => (typeof child === "string" ? child : mathematics(child)));
  return make(`math:${tag}`, tag === "mspace" ? { width: "0.17em" } : {}, ...inside);
}

// -- the view: which part of the picture is on screen, and how large --------------------------------------------------

const view = { x: 0, y: 0, scale: 1, touched: false };
const size = () => ({ wide: at("canvas").clientWidth, high: at("canvas").clientHeight });

function whole() {
  const [x, y, wide, high] = svg().dataset.whole.split(" ").map(Number);
  return { x, y, wide, high };
}

function applyView() {
  const { wide, high } = size();
  svg().setAttribute("viewBox", [view.x, view.y, wide / view.scale, high / view.scale].join(" "));
}

function fitting() {
  const all = whole(), { wide, high } = size();
  return Math.min(wide / all.wide, high / all.high);
}

function setScale(scale) { // from the left or the top where not all of the picture has room, else centred
  const all = whole(), { wide, high } = size();
  view.scale = scale;
  view.x = wide > all.wide * scale ? all.x - (wide / scale - all.wide) / 2 : all.x;
  view.y = high > all.high * scale ? all.y - (high / scale - all.high) / 2 : all.y;
  applyView();
}

function readable() {
  const sizes = [...svg().querySelectorAll("text")].map((text) => parseFloat(text.getAttribute("font-size")));
  setScale(Math.max(SMALLEST_TEXT / Math.min(...sizes), Math.min(fitting(), 1.5)));
}

function fit() {
  view.touched = true;
  setScale(fitting());
}

function zoom(factor, x = size().wide / 2, y = size().high / 2) {
  const scale = Math.min(8, Math.max(0.05, view.scale * factor));
  view.touched = true;
  view.x += x / view.scale - x / scale;
  view.y += y / view.scale - y / scale;
  view.scale = scale;
  applyView();
}

function boxOf(element) { // in the coordinates of the view
  const box = element.getBBox(), back = svg().getScreenCTM().inverse().multiply(element.getScreenCTM());
  const corner = new DOMPoint(box.x, box.y).matrixTransform(back);
  return { x: corner.x, y: corner.y, wide: box.width, high: box.height };
}

function around(boxes) {
  const x = Math.min(...boxes.map((b) => b.x)), y = Math.min(...boxes.map((b) => b.y));
  const right = Math.max(...boxes.map((b) => b.x + b.wide)), bottom = Math.max(...boxes.map((b) => b.y + b.high));
  return { x, y, wide: right - x, high: bottom - y };
}

function reveal(...elements) { // move no more than is needed; to the first, where there is no room for all
  const boxes = elements.map(boxOf), together = around(boxes), margin = 24 / view.scale;
  const wide = size().wide / view.scale, high = size().high / view.scale;
  const box = together.wide + 2 * margin < wide && together.high + 2 * margin < high ? together : boxes[0];
  const shift = (start, length, from, room) =>
    Math.min(Math.max(from, start + length + margin - room), start - margin);
  const to = { x: shift(box.x, box.wide, view.x, wide), y: shift(box.y, box.high, view.y, high) };
  view.touched = true;
  const from = { x: view.x, y: view.y }, begun = performance.now(), lasting = calm.matches ? 0 : 220;
  const move = (time) => {
    const part = lasting ? Math.min(1, Math.max(0, (time - begun) / lasting)) : 1, eased = part * (2 - part);
    view.x = from.x + (to.x - from.x) * eased;
    view.y = from.y + (to.y - from.y) * eased;
    applyView();
    if (part < 1) requestAnimationFrame(move);
  };
  move(begun);
}

const pointers = new Map();
let dragged = false;

function onPointerMove(event) {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const others = [...pointers.values()].filter((p) => p !== before);
  const { left, top } = at("canvas").getBoundingClientRect();
  const moved = Math.hypot(event.clientX - before.x, event.clientY - before.y);
  if (!dragged && !others.length && moved < 4) return;
  dragged = view.touched = true;
  at("canvas").setPointerCapture(event.pointerId);
  if (others.length) {
    const other = others[0], apart = (x, y) => Math.hypot(x - other.x, y - other.y);
    zoom(apart(event.clientX, event.clientY) / (apart(before.x, before.y) || 1), other.x - left, other.y - top);
  } else {
    view.x -= (event.clientX - before.x) / view.scale;
    view.y -= (event.clientY - before.y) / view.scale;
    applyView();
  }
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
}

function onWheel(event) {
  if (embedded && !event.ctrlKey && !at("canvas").contains(document.activeElement)) return; // a notebook scrolls on
  event.preventDefault();
  const { left, top } = at("canvas").getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - left, event.clientY - top);
}

// -- steps ------------------------------------------------------------------------------------------------------------

function goTo(k) {
  const steps = picture().steps;
  now.step = Math.min(Math.max(k, 0), steps.length);
  const step = steps[now.step - 1];
  for (const element of svg().querySelectorAll(".lit")) element.classList.remove("lit", "backward");
  if (step) {
    const lit = [`n${step.node}`, ...step.edges].map(drawn).filter(Boolean);
    for (const element of lit) element.classList.add("lit", ...(step.backward ? ["backward"] : []));
    unfoldAround(step.node);
    select(step.node);
    reveal(...lit);
  } else {
    now.node = null;
    svg().querySelector(".selected")?.classList.remove("selected");
    filled(at("panel"), ...key());
  }
  showStep(step);
  at("slider").value = now.step;
  at("slider").setAttribute("aria-valuetext", step ? step.text : "before the first step");
  at("count").textContent = `${now.step} / ${steps.length}`;
  at("said").textContent = step ? step.text : "";
  at("first").disabled = at("back").disabled = now.step === 0;
  at("last").disabled = at("next").disabled = now.step === steps.length;
  at("trace").querySelectorAll("button").forEach((button, i) => {
    if (i + 1 === now.step) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  });
}

function equal(what, text) { // shapes do not break at the end of a line
  const kept = text.replaceAll(" × ", "\u00a0×\u00a0");
  return make("p", { class: "numbers" }, make("span", {}, `${what} `), `= ${kept}`);
}

function showStep(step) {
  if (!step) {
    const back = picture().back ? ", first forward to the values, then backward to the gradients" : "";
    filled(at("step"),
      make("h2", {}, picture().name),
      make("p", { class: "why" }, `Press Next, or the key →, to follow the computation${back}.`),
      make("p", { class: "why" }, "Click a box to see what is in it. Drag to move, turn the wheel to zoom."));
    return;
  }
  const way = step.backward ? "backward" : "forward", node = picture().nodes[step.node];
  filled(at("step"),
    make("h2", { class: way }, make("b", {}, step.backward ? "◀ Backward" : "▶ Forward"), " ",
      mathematics(["math", step.symbol]), step.part),
    make("div", { class: "equations" }, ...step.equations.map((equation) => make("p", {}, mathematics(equation)))),
    step.numbers && equal(step.numbers.includes("×") ? "with shapes" : "with numbers", step.numbers),
    equal(step.part ? "adds" : "value", step.value),
    step.soFar && equal("sum so far", step.soFar),
    make("p", { class: "why" }, step.why),
    node.source && make("p", { class: "source" }, make("span", {}, node.where), make("code", {}, node.source)));
}

function play(on) {
  clearInterval(now.timer);
  now.timer = 0;
  if (on) {
    if (now.step === picture().steps.length) goTo(0);
    now.timer = setInterval(() => {
      goTo(now.step + 1);
      if (now.step === picture().steps.length) play(false);
    }, 1600);
  }
  at("play").textContent = on ? "Pause" : "Play";
}

function step(by) {
  play(false);
  goTo(now.step + by);
}

// -- the panel of a box -----------------------------------------------------------------------------------------------

function select(i) {
  now.node = i;
  for (const element of svg().querySelectorAll(".selected")) element.classList.remove("selected");
  drawn(`n${i}`).classList.add("selected");
  const node = picture().nodes[i];
  const facts = [node.role, node.op, node.shape, node.dtype].filter(Boolean);
  filled(at("panel"),
    make("h2", {}, mathematics(["math", node.symbol]), make("small", {}, facts.join(" · ")),
      make("span", { class: "source" }, make("span", {}, node.where), node.source && make("code", {}, node.source))),
    node.inner !== null && make("button", { class: "open", click: () => open(node.inner) },
      `Open${node.count > 1 ? ` one of ${node.count}` : ""}`),
    node.mark && make("p", { class: "mark" }, node.mark),
    make("p", { class: "meaning" }, node.meaning),
    make("div", { class: "arrays" },
      arrayOf(node.symbol, node.name, node.value, "forward", [node.forward]),
      node.gradient && arrayOf(node.gradientSymbol, node.gradientName, node.gradient, "backward", node.backward)),
    node.parts.length > 0 && sum(node),
    node.way.length > 0 && derivation(node));
}

const ROLES = {
  input: "given", parameter: "learned", operation: "computed",
  target: "the desired result", loss: "to be made small",
  group: "several in one box, which opens", outside: "the graph continues there",
};

function key() {
  const roles = Object.keys(ROLES).filter((role) => picture().nodes.some((node) => node.role === role));
  const line = (what, text) => make("li", {}, make("i", { class: `key ${what}` }), text);
  return [make("h2", {}, "Key"), make("ul", { class: "keys" },
    ...roles.map((role) => line(role, `${role}: ${ROLES[role]}`)),
    line("forth", "values, on the way forward"), picture().back && line("back", "gradients, on the way back")),
    make("p", {}, "Of arrays too large to write out: μ is the mean, σ the spread, ‖·‖ the norm.")];
}

function sum(node) {
  const head = ["contribution", "from", "shape there"].map((text) => make("th", { scope: "col" }, text));
  const rows = node.parts.map((part) =>
    make("tr", {},
      make("td", {},
        part.rule ? mathematics(part.rule) : "not written out", part.value && make("small", {}, `= ${part.value}`)),
      make("td", {}, part.where, part.note && make("small", {}, part.note)),
      make("td", {}, part.shape)));
  const count = node.parts.length + node.more;
  return make("div", { class: "sum" },
    make("h3", {}, mathematics(["math", node.gradientSymbol]),
      count > 1 ? ` is the sum of ${count} contributions` : " comes from one place"),
    make("table", {},
      make("thead", {}, make("tr", {}, ...head)),
      make("tbody", {}, ...rows)),
    node.more > 0 && make("p", {}, `and ${node.more} more`),
    node.others && make("p", {}, "Other calls of backward have also added to this gradient."));
}

function derivation(node) {
  return make("details", {}, make("summary", {}, "How the equation is derived"),
    make("ol", {}, ...node.way.map(([line, reason]) => make("li", {}, line, make("small", {}, reason)))));
}

// Blue below zero, vermillion above: everybody can tell these apart, and the numbers say it too.
const ENDS = {
  light: [[0, 90, 160], [250, 250, 250], [176, 70, 0]],
  dark: [[110, 190, 250], [38, 42, 48], [245, 140, 60]],
};

function colour(value, limit) {
  const share = typeof value === "string" ? (value === "−∞" ? -1 : 1) : limit ? value / limit : 0;
  const [low, middle, high] = ENDS[document.documentElement.dataset.theme];
  const end = share < 0 ? low : high;
  return middle.map((m, i) => Math.round(m + (end[i] - m) * Math.min(1, Math.abs(share))));
}

const css = (rgb) => `rgb(${rgb.join(" ")})`;
const minus = (value) => String(value).replaceAll("-", "−");
const range = (array) => ["min", "mean", "max"].map((what, i) => `${what} ${minus(array.range[i])}`);

function onIt(rgb) { // black or white, whichever is easier to read
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

function arrayOf(symbol, name, array, way, equations) {
  const caption = make("figcaption", {}, ...equations.map((e) => make("p", {}, mathematics(e))));
  if (!equations.length) caption.append(make("p", {}, mathematics(["math", symbol])));
  const bad = [[array.nan, "NaN"], [array.infinite, "infinite"]].filter(([n]) => n).map(([n, what]) => `${n} ${what}`);
  const single = array.small && array.cells.length === 1 && array.cells[0].length === 1;
  return make("figure", { class: `${way}${array.small ? " small" : ""}` },
    caption,
    array.small ? numbersOf(array, name) : mapOf(array, name),
    bad.length > 0 && make("p", { class: "bad" }, `✕ ${bad.join(", ")}${array.small ? "" : " (crossed)"}`),
    !single && array.range.length > 0 && make("div", { class: "under" },
      array.block && make("p", {}, `each cell: mean of ${array.block}`), legend(array)),
    array.bins.length > 0 && histogram(array, name),
    !single && array.range.length > 0 &&
      make("p", { class: "legend" }, ...range(array).map((text) => make("span", {}, text))));
}

function numbersOf(array, name) {
  const limit = typeof array.limit === "number" ? array.limit : 0;
  const cell = (value) => {
    const rgb = colour(value, limit), td = make("td", {}, minus(value));
    if (value === "NaN") td.className = "nan";
    else [td.style.background, td.style.color] = [css(rgb), onIt(rgb)];
    return td;
  };
  const rows = array.cells.map((row) => make("tr", {}, ...row.map(cell)));
  if (!rows.length) return "empty";
  return make("table", { class: "cells", "aria-label": name }, make("tbody", {}, ...rows));
}

function mapOf(array, name) {
  const high = array.cells.length, wide = array.cells[0].length;
  const told = array.range.length ? range(array).join(", ") : "nothing finite";
  const map = make("svg:svg", { class: "map", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `heat map of ${name}, ${array.shape}: ${told}` });
  map.style.height = `${Math.min(120, Math.max(high * 10, 16))}px`;
  array.cells.forEach((row, y) => row.forEach((value, x) => {
    const finite = typeof value === "number";
    const rect = make("svg:rect", { x, y, width: 1.02, height: 1.02, class: finite ? null : "nan" });
    if (finite) rect.style.fill = css(colour(value, array.limit));
    map.append(rect);
    if (!finite) map.append(make("svg:path", { d: `M${x} ${y}l1 1m0 -1l-1 1`, class: "cross" }));
  }));
  return map;
}

function legend(array) {
  const bar = make("i");
  bar.style.background = `linear-gradient(to right, ${[-1, 0, 1].map((v) => css(colour(v, 1))).join(",")})`;
  const least = array.limit ? `−${array.most}` : "0";
  return make("p", { class: "legend" }, make("span", {}, least), bar, make("span", {}, array.most));
}

function histogram(array, name) {
  const most = Math.max(...array.bins);
  const bars = array.bins.map((n, i) =>
    make("svg:rect", { x: i + 0.06, width: 0.88, y: 1 - n / most, height: n / most }));
  return make("svg:svg", {
    class: "histogram", viewBox: `0 0 ${array.bins.length} 1`, preserveAspectRatio: "none", role: "img",
    "aria-label": `histogram of ${name}: ${array.bins.join(", ")} elements in equal parts from min to max`,
  }, ...bars);
}

// -- scopes and groups ------------------------------------------------------------------------------------------------

const folded = new Set();
const nameOf = (cluster) => [...cluster.querySelectorAll("text:not(.inside)")].map((text) => text.textContent).join("")
  .replace(/ [▾▸]$/, "");

function setFolded(i, on) { // nothing moves: the frame becomes a box that covers what is in it
  const frame = picture().frames[i], key = `${now.picture} ${i}`;
  if (on) folded.add(key);
  else folded.delete(key);
  const covered = new Set(), inside = new Set();
  picture().frames.forEach((other, j) => {
    if (folded.has(`${now.picture} ${j}`)) other.nodes.forEach((n) => covered.add(n));
  });
  picture().nodes.forEach((_, n) => drawn(`n${n}`).classList.toggle("covered", covered.has(n)));
  picture().edges.forEach(([from, to], e) => {
    const both = picture().frames.some((other, j) =>
      folded.has(`${now.picture} ${j}`) && other.nodes.includes(from) && other.nodes.includes(to));
    for (const way of "fb") drawn(`${way}${e}`)?.classList.toggle("covered", both);
  });
  picture().frames.forEach((other, j) => {
    const within = j !== i && other.nodes.every((n) => frame.nodes.includes(n)) && j > i;
    if (within) drawn(other.id).classList.toggle("covered", on);
  });
  const cluster = drawn(frame.id), graph = cluster.parentNode;
  cluster.classList.toggle("folded", on);
  cluster.setAttribute("aria-expanded", String(!on));
  cluster.querySelector(".mark").textContent = on ? " ▸" : " ▾";
  cluster.querySelector(".inside")?.remove();
  if (on) {
    const box = cluster.querySelector("path, polygon").getBBox();
    cluster.append(make("svg:text", { class: "inside", x: box.x + box.width / 2, y: box.y + box.height / 2 + 5,
      "text-anchor": "middle", "font-size": 18 }, `${nameOf(cluster)}: ${frame.nodes.length} boxes`));
    graph.append(cluster); // above the edges that run under it
  } else {
    graph.insertBefore(cluster, graph.querySelector(".cluster:not(.folded), .node, .edge"));
  }
  at("fold").setAttribute("aria-pressed", String(folded.size > 0));
  at("fold").textContent = folded.size > 0 ? "Unfold" : "Fold";
}

function unfoldAround(node) {
  picture().frames.forEach((frame, i) => {
    if (folded.has(`${now.picture} ${i}`) && frame.nodes.includes(node)) setFolded(i, false);
  });
}

function foldAll(on) {
  picture().frames.forEach((frame, i) => {
    const outer = picture().frames.some((other, j) => j < i && frame.nodes.every((n) => other.nodes.includes(n)));
    if (!on || !outer) setFolded(i, on);
  });
}

function open(i) {
  play(false);
  svg().setAttribute("hidden", "");
  now.picture = i;
  svg().removeAttribute("hidden");
  at("slider").max = picture().steps.length;
  at("fold").hidden = !picture().frames.length;
  at("trace").querySelector("ol").replaceChildren(...picture().steps.map((step, k) =>
    make("li", {}, make("button", { click: () => { play(false); goTo(k + 1); } }, step.text))));
  const trail = [];
  for (let j = i; j !== null; j = data.pictures[j].parent) trail.unshift(j);
  at("trail").replaceChildren(...trail.flatMap((j, k) => [
    k ? " › " : null,
    j === i ? make(k ? "span" : "h1", { "aria-current": "page" }, data.pictures[j].name)
      : make("button", { click: () => open(j) }, data.pictures[j].name)].filter(Boolean)));
  view.touched = false;
  readable();
  goTo(0);
}

// -- search -----------------------------------------------------------------------------------------------------------

function matches() {
  const sought = at("search").value.trim().toLowerCase();
  if (!sought) return [];
  const all = data.pictures.flatMap(({ nodes }, p) => nodes.map((node, n) => ({
    p, n, name: node.name.toLowerCase(),
    words: [node.name, node.gradientName, node.op].join(" ").toLowerCase(),
  })));
  const found = all.filter(({ words }) => words.includes(sought));
  const rank = ({ p, name }) => (p === now.picture ? 0 : 2) + (name === sought ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b));
}

let turn = 0;

function filter() {
  turn = 0;
  const sought = at("search").value.trim() !== "", found = matches();
  picture().nodes.forEach((_, i) => {
    const here = found.some(({ p, n }) => p === now.picture && n === i);
    drawn(`n${i}`).classList.toggle("found", here);
    drawn(`n${i}`).classList.toggle("faded", found.length > 0 && !here);
  });
  at("found").textContent = sought ? `${found.length || "none"} found` : "";
}

function jump() {
  const found = matches();
  if (!found.length) return;
  const { p, n } = found[turn++ % found.length];
  const again = turn;
  if (p !== now.picture) open(p);
  filter();
  turn = again;
  unfoldAround(n);
  select(n);
  reveal(drawn(`n${n}`));
}

// -- theme and export -------------------------------------------------------------------------------------------------

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  at("theme").textContent = theme === "dark" ? "Light" : "Dark";
  if (now.node !== null) select(now.node);
}

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity"];

function exported() { // what is on screen, with its styles written out
  const { wide, high } = size(), copy = svg().cloneNode(true);
  const originals = [...svg().querySelectorAll("*")];
  [...copy.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(originals[i]);
    element.classList.toggle("gone", style.visibility === "hidden");
    for (const name of STYLES) element.style.setProperty(name, style.getPropertyValue(name));
    for (const name of ["role", "tabindex", "aria-label", "aria-expanded"]) element.removeAttribute(name);
  });
  for (const element of copy.querySelectorAll(".gone")) element.remove();
  for (const [name, value] of Object.entries({ width: wide, height: high })) copy.setAttribute(name, value);
  const [x, y, width, height] = copy.getAttribute("viewBox").split(" ");
  copy.prepend(make("svg:rect", { x, y, width, height, fill: getComputedStyle(at("canvas")).backgroundColor }));
  return new XMLSerializer().serializeToString(copy);
}

function save() {
  const url = URL.createObjectURL(new Blob([exported()], { type: "image/svg+xml" }));
  make("a", { href: url, download: "graph.svg" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// -- keys and buttons -------------------------------------------------------------------------------------------------

const KEYS = {
  ArrowRight: () => step(1),
  ArrowLeft: () => step(-1),
  Home: () => step(-Infinity),
  End: () => step(Infinity),
  " ": () => play(!now.timer),
  "+": () => zoom(1.25),
  "-": () => zoom(0.8),
  0: fit,
  "/": () => at("search").focus(),
  Escape: () => goTo(now.step),
};

function onKey(event) {
  const typing = event.target.matches("input");
  if (event.key === "Escape" && event.target === at("search")) {
    at("search").value = "";
    at("search").blur();
    filter();
  }
  const pressing = event.target.matches("button, summary, [role=button]") && event.key === " ";
  if (typing || pressing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
}

function pressable(element, label, action) {
  const attributes = { role: "button", tabindex: 0, "aria-label": label };
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.addEventListener("click", () => dragged || action());
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    action();
  });
}

data.pictures.forEach((picture, p) => {
  const root = at(`p${p}`);
  root.dataset.whole = root.getAttribute("viewBox");
  root.setAttribute("preserveAspectRatio", "xMidYMid slice"); // text never shrinks while the window does
  root.setAttribute("aria-label", picture.name);
  picture.nodes.forEach((node, i) => {
    const element = at(`p${p}-n${i}`);
    pressable(element, node.text, () => select(i));
    if (node.inner !== null) element.addEventListener("dblclick", () => open(node.inner));
    element.addEventListener("focus", () => element.matches(":focus-visible") && reveal(element));
  });
  picture.frames.forEach((frame, i) => {
    const cluster = at(`p${p}-${frame.id}`);
    pressable(cluster, `scope ${nameOf(cluster)}`, () => setFolded(i, !folded.has(`${p} ${i}`)));
    cluster.setAttribute("aria-expanded", "true");
    [...cluster.querySelectorAll("text")].at(-1).append(make("svg:tspan", { class: "mark" }, " ▾"));
  });
});

const canvas = at("canvas");
canvas.addEventListener("pointerdown", (event) => {
  dragged = false;
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
});
canvas.addEventListener("pointermove", onPointerMove);
for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
  canvas.addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    setTimeout(() => { dragged = false; }); // after the click that ends a drag
  });
}
canvas.addEventListener("wheel", onWheel, { passive: false });
document.addEventListener("keydown", onKey);
const actions = {
  first: () => step(-Infinity), back: () => step(-1), play: () => play(!now.timer), next: () => step(1),
  last: () => step(Infinity), in: () => zoom(1.25), out: () => zoom(0.8), fit,
  fold: () => foldAll(folded.size === 0), export: save,
  theme: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
};
for (const [id, action] of Object.entries(actions)) at(id).addEventListener("click", action);
at("slider").addEventListener("input", () => { play(false); goTo(Number(at("slider").value)); });
at("search").addEventListener("input", filter);
at("search").addEventListener("keydown", (event) => event.key === "Enter" && jump());
new ResizeObserver(() => (view.touched ? applyView() : readable())).observe(canvas);

const dark = matchMedia("(prefers-color-scheme: dark)");
setTheme(dark.matches ? "dark" : "light");
dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
const all = whole();
document.body.classList.toggle("tall", all.high > all.wide);
open(0);
