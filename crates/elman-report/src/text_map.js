"use strict";
(() => {
  const element = (id) => document.getElementById(id);
  const groups = JSON.parse(element("data").textContent);
  const stage = element("stage"), canvas = element("plot"), card = element("card"), find = element("find");
  const context = canvas.getContext("2d");
  const COLORS = 8, SHAPES = 4, SIDE = 20000, HIT_DISTANCE = 14, MAX_ZOOM = 400;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // every point: group, coordinates, texts, and the lower-case text that searches match
  const points = groups.flatMap((group, g) => group.x.map((x, n) => ({
    group: g, x, y: SIDE - group.y[n], id: group.id[n], text: group.text[n],
    searchable: (group.text[n] + "\n" + group.id[n]).toLowerCase(),
  })));
  const bounds = ["x", "y"].map((axis) => {
    const values = points.map((point) => point[axis]);
    return [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
  });

  let width = 1, height = 1, fitScale = 1;
  let view = { x: SIDE / 2, y: SIDE / 2, scale: 1 }; // the center, and pixels per unit
  let selectedGroup = null, query = [], matches = points, all = true; // matches of both, or all points
  let hovered = null, pinned = null, drawing = false, colors = [], ink = "", muted = "", paper = "";

  const readColors = () => {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue("--" + name).trim();
    colors = Array.from({ length: COLORS }, (_, n) => color("series-" + (n + 1)));
    [ink, muted, paper] = ["ink", "muted", "paper"].map(color);
  };
  const colorOf = (group) => colors[group % COLORS];
  const shapeOf = (group) => Math.floor(group / COLORS) % SHAPES;

  // circle, square, triangle, diamond, of about the same area
  const trace = (path, shape, x, y, r) => {
    if (shape === 0) { path.moveTo(x + r, y); path.arc(x, y, r, 0, 2 * Math.PI); }
    if (shape === 1) { path.rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r); }
    if (shape === 2) { path.moveTo(x, y - 1.25 * r); path.lineTo(x + 1.2 * r, y + 0.85 * r); path.lineTo(x - 1.2 * r, y + 0.85 * r); path.closePath(); }
    if (shape === 3) { path.moveTo(x, y - 1.3 * r); path.lineTo(x + 1.3 * r, y); path.lineTo(x, y + 1.3 * r); path.lineTo(x - 1.3 * r, y); path.closePath(); }
  };

  const toScreen = (point) => [(point.x - view.x) * view.scale + width / 2, (point.y - view.y) * view.scale + height / 2];
  const radius = () => {
    const plain = points.length < 500 ? 5 : points.length < 2500 ? 3.8 : points.length < 8000 ? 3 : 2.4;
    const screenFactor = Math.max(0.6, Math.min(Math.min(width, height) / 600, 1)); // smaller on small screens
    return Math.min(8, plain * screenFactor * Math.pow(Math.max(1, view.scale / fitScale), 0.35));
  };

  const draw = () => {
    drawing = false;
    const ratio = devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const r = radius();
    const fill = (some, size, alpha, color) => {
      const paths = groups.map(() => null);
      for (const point of some) {
        const [x, y] = toScreen(point);
        if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
        trace(paths[point.group] ??= new Path2D(), shapeOf(point.group), x, y, size);
      }
      context.globalAlpha = alpha;
      paths.forEach((path, group) => { if (path) { context.fillStyle = color ?? colorOf(group); context.fill(path); } });
      context.globalAlpha = 1;
    };
    if (all) fill(points, r, 0.8);
    else {
      fill(points, r * 0.85, 0.18, muted);
      fill(matches, r * 1.2, 0.95);
    }
    for (const point of new Set([pinned, hovered])) {
      if (!point) continue;
      const [x, y] = toScreen(point), path = new Path2D();
      trace(path, shapeOf(point.group), x, y, r * 1.7);
      context.lineJoin = "round";
      for (const [style, line] of [[paper, 5], [ink, 2]]) { context.strokeStyle = style; context.lineWidth = line; context.stroke(path); }
      context.fillStyle = colorOf(point.group);
      context.fill(path);
    }
  };
  const redraw = () => { if (!drawing) { drawing = true; requestAnimationFrame(draw); } };

  // the card is next to its point; on narrow screens the style sheet puts it at the bottom
  const showCard = () => {
    const point = hovered ?? pinned;
    card.hidden = !point;
    if (!point) return;
    card.classList.toggle("pinned", point === pinned);
    card.querySelector(".name").textContent = groups[point.group].name;
    paintKey(card.querySelector(".key"), point.group);
    card.querySelector(".text").textContent = point.text.trim();
    card.querySelector(".id").textContent = point.id;
    const [x, y] = toScreen(point), gap = 14;
    const right = x + gap + card.offsetWidth <= width - 4;
    const left = right ? x + gap : x - gap - card.offsetWidth;
    card.style.left = Math.max(4, Math.min(left, width - card.offsetWidth - 4)) + "px";
    card.style.top = Math.max(4, Math.min(y - card.offsetHeight / 2, height - card.offsetHeight - 4)) + "px";
  };
  const pin = (point) => { pinned = point; hovered = null; showCard(); redraw(); };
  const hover = (point) => {
    if (point === hovered) return;
    hovered = point;
    canvas.classList.toggle("near", !!point);
    showCard();
    redraw();
  };

  // legend marks look like the points
  const paintKey = (key, group) => {
    const clips = ["circle(50%)", "inset(6%)", "polygon(50% 0,100% 90%,0 90%)", "polygon(50% 0,100% 50%,50% 100%,0 50%)"];
    key.style.background = "var(--series-" + (group % COLORS + 1) + ")";
    key.style.clipPath = clips[shapeOf(group)];
  };

  const limit = () => {
    view.scale = Math.max(fitScale * 0.5, Math.min(view.scale, fitScale * MAX_ZOOM));
    view.x = Math.max(bounds[0][0], Math.min(view.x, bounds[0][1]));
    view.y = Math.max(bounds[1][0], Math.min(view.y, bounds[1][1]));
  };
  const changed = () => { limit(); showCard(); redraw(); };
  const showAll = () => {
    view = { x: (bounds[0][0] + bounds[0][1]) / 2, y: (bounds[1][0] + bounds[1][1]) / 2, scale: fitScale };
    changed();
  };
  // zooms around a fixed point of the screen
  const zoom = (factor, x = width / 2, y = height / 2) => {
    const before = view.scale;
    view.scale = Math.max(fitScale * 0.5, Math.min(before * factor, fitScale * MAX_ZOOM));
    view.x += (x - width / 2) * (1 / before - 1 / view.scale);
    view.y += (y - height / 2) * (1 / before - 1 / view.scale);
    changed();
  };
  const pan = (dx, dy) => { view.x -= dx / view.scale; view.y -= dy / view.scale; changed(); };

  const resize = () => {
    const before = fitScale, ratio = devicePixelRatio || 1;
    [width, height] = [canvas.clientWidth || 1, canvas.clientHeight || 1];
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const span = (axis) => Math.max(bounds[axis][1] - bounds[axis][0], 1);
    const margin = Math.min(36, width / 8, height / 8);
    fitScale = Math.min((width - 2 * margin) / span(0), (height - 2 * margin) / span(1));
    if (resize.done) { view.scale *= fitScale / before; changed(); } else { resize.done = true; showAll(); }
  };

  const nearest = (x, y, reach) => {
    let best = null, minDistance = (reach + radius()) ** 2;
    for (const point of matches) {
      const [px, py] = toScreen(point);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < minDistance) [best, minDistance] = [point, distance];
    }
    return best;
  };

  // one pointer pans the map or clicks a point, two zoom
  const pointers = new Map();
  let moved = 0;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = pointers.size > 1 ? Infinity : 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event), before = pointers.get(event.pointerId);
    if (!before) { if (event.pointerType !== "touch") hover(nearest(...now, HIT_DISTANCE)); return; }
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (pointers.size === 1) {
      moved += Math.hypot(dx, dy);
      if (moved > 4) { canvas.classList.add("drag"); hovered = null; pointers.set(event.pointerId, now); pan(dx, dy); }
      return;
    }
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const length = (a) => Math.max(1, Math.hypot(a[0] - other[0], a[1] - other[1]));
    pointers.set(event.pointerId, now);
    pan(dx / 2, dy / 2);
    zoom(length(now) / length(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  });
  const released = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    canvas.classList.remove("drag");
    if (event.type === "pointerup" && moved <= 4) pin(nearest(...at(event), event.pointerType === "mouse" ? HIT_DISTANCE : 2 * HIT_DISTANCE));
  };
  canvas.addEventListener("pointerup", released);
  canvas.addEventListener("pointercancel", released);
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    zoom(Math.exp(-Math.max(-300, Math.min(pixels, 300)) * (event.ctrlKey ? 0.01 : 0.002)), ...at(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoom(2, ...at(event)));
  element("zoom-in").addEventListener("click", () => zoom(1.6));
  element("zoom-out").addEventListener("click", () => zoom(1 / 1.6));
  element("show-all").addEventListener("click", showAll);
  element("close").addEventListener("click", () => { pin(null); canvas.focus(); });

  // pins the next or previous match and scrolls it into view
  const step = (by) => {
    if (!matches.length) return;
    const n = matches.indexOf(pinned);
    const point = matches[n < 0 ? (by > 0 ? 0 : matches.length - 1) : (n + by + matches.length) % matches.length];
    const [x, y] = toScreen(point);
    if (x < 30 || y < 30 || x > width - 30 || y > height - 30) { [view.x, view.y] = [point.x, point.y]; limit(); }
    pin(point);
    showCount();
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
      "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), 0: showAll, n: () => step(1), p: () => step(-1),
    };
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (action) { event.preventDefault(); action(); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (pinned) pin(null);
    else if (document.activeElement !== find) selectGroup(null);
  });

  // search and selection
  const showCount = () => {
    const count = (n) => n.toLocaleString("en");
    const n = matches.indexOf(pinned);
    element("found").textContent = all ? "" : (n < 0 ? "" : count(n + 1) + " of ") + count(matches.length) + (query.length ? " found" : "");
  };
  const update = () => {
    all = selectedGroup === null && !query.length;
    matches = all ? points : points.filter((point) =>
      (selectedGroup === null || point.group === selectedGroup) && query.every((word) => point.searchable.includes(word)));
    if (pinned && !matches.includes(pinned)) pinned = null;
    hovered = null;
    showCount();
    showCard();
    redraw();
  };
  const selectGroup = (group) => {
    selectedGroup = group;
    element("legend").querySelectorAll("button").forEach((button, g) => button.setAttribute("aria-pressed", g === selectedGroup));
    update();
  };
  find.addEventListener("input", () => { query = find.value.toLowerCase().split(/\s+/).filter(Boolean); update(); });
  find.addEventListener("keydown", (event) => { if (event.key === "Enter") step(event.shiftKey ? -1 : 1); });

  groups.forEach((group, g) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const part = (name, text) => {
      const span = document.createElement("span");
      span.className = name;
      span.textContent = text;
      button.append(span);
      return span;
    };
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    paintKey(part("key", ""), g);
    part("name", group.name || "(no words)");
    part("count", group.x.length.toLocaleString("en"));
    button.addEventListener("click", () => selectGroup(selectedGroup === g ? null : g));
    item.append(button);
    element("legend").append(item);
  });

  dark.addEventListener("change", () => { readColors(); redraw(); });
  readColors();
  new ResizeObserver(resize).observe(stage);
  resize();
})();
