"use strict";
// Zooms and pans the diagram along its time axis, and filters the list of events. Without this
// script the page shows all the same, as a picture that stands still.
(() => {
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const ZOOM_MAX = 400;
  const LABEL_PAD = 5;

  const numbers = (text) => (text || "").match(/-?[\d.]+/g).map(Number);

  function tickStep(length) {
    let step = 0.001;
    const factors = [2, 2.5, 2];
    for (let place = 0; length / step > 14; place += 1) step *= factors[place % 3];
    return step;
  }

  function tickText(at, step) {
    const shown = step >= 1000 ? at / 1000 : at;
    const text = Number(shown.toPrecision(10)).toLocaleString("en-US", { maximumFractionDigits: 3 });
    return text + (step >= 1000 ? " s" : " ms");
  }

  function element(name, attributes, text) {
    const made = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function zoomable(svg) {
    const from = Number(svg.dataset.from), to = Number(svg.dataset.to);
    const width = Number(svg.dataset.width), height = Number(svg.dataset.height);
    const plot = svg.querySelector(".fl-plot"), axis = svg.querySelector(".fl-axis");
    const stays = Array.from(svg.querySelectorAll(".s"), (node) => {
      const [x, y] = numbers(node.getAttribute("transform"));
      return { node, x, y };
    });
    const labels = Array.from(svg.querySelectorAll(".l"), (node) => {
      const [, y] = numbers(node.getAttribute("transform"));
      const { a, b, w, over, always } = node.dataset;
      const limit = over === undefined ? Infinity : Number(over);
      const place = { a: Number(a), b: Number(b), room: Number(w), over: limit };
      return { node, y, ...place, always: always === "1" };
    });
    const lines = Array.from(plot.querySelectorAll("line"), (node) => (
      { node, x1: Number(node.getAttribute("x1")), x2: Number(node.getAttribute("x2")) }
    ));
    const boxes = Array.from(plot.querySelectorAll("rect:not(.s *)"), (node) => {
      const drawn = Number(node.getAttribute("width")), real = node.dataset.n;
      // What is drawn wider than it is, so that it can be seen, grows only when it really is wide.
      const [width, least] = real === undefined ? [drawn, 0] : [Number(real), drawn];
      return { node, x: Number(node.getAttribute("x")), width, least };
    });
    let zoom = 1, left = 0, drawnZoom = 1, waiting = false;

    function stretch() {
      for (const { node, x1, x2 } of lines) {
        node.setAttribute("x1", x1 * zoom);
        node.setAttribute("x2", x2 * zoom);
      }
      for (const { node, x, width: wide, least } of boxes) {
        node.setAttribute("x", x * zoom);
        node.setAttribute("width", Math.max(wide * zoom, least));
      }
      for (const { node, x, y } of stays) {
        node.setAttribute("transform", `translate(${x * zoom} ${y})`);
      }
      drawnZoom = zoom;
    }

    function draw() {
      waiting = false;
      if (zoom !== drawnZoom) stretch();
      plot.setAttribute("transform", `translate(${-left * zoom} 0)`);
      const right = left + width / zoom;
      for (const { node, y, a, b, room, over, always } of labels) {
        const begin = Math.max(a, left), end = Math.min(b, right), wide = (end - begin) * zoom;
        const fits = always ? wide > 0 : wide >= room && wide < over;
        node.setAttribute("visibility", fits ? "visible" : "hidden");
        if (fits) node.setAttribute("transform", `translate(${begin * zoom + LABEL_PAD} ${y})`);
      }
      drawAxis();
    }

    function drawAxis() {
      const perPixel = (to - from) / width;
      const begin = from + left * perPixel, end = begin + (width / zoom) * perPixel;
      const step = tickStep(end - begin);
      const made = [];
      for (let number = Math.ceil(begin / step); number * step <= end; number += 1) {
        const at = number * step;
        const x = ((at - begin) / perPixel) * zoom;
        made.push(element("line", { x1: x, x2: x, y1: 0, y2: height + 6, stroke: "#d0d7de" }));
        const place = { x, y: height + 22, "font-size": 12, "text-anchor": "middle" };
        made.push(element("text", { ...place, fill: "#1f2328" }, tickText(at, step)));
      }
      axis.replaceChildren(...made);
    }

    function move(newZoom, newLeft) {
      zoom = Math.min(Math.max(newZoom, 1), ZOOM_MAX);
      left = Math.min(Math.max(newLeft, 0), width - width / zoom);
      if (!waiting) {
        waiting = true;
        requestAnimationFrame(draw);
      }
    }

    // `at` is where on the plot as it is shown, from 0 to its width.
    function zoomAt(factor, at) {
      const newZoom = Math.min(Math.max(zoom * factor, 1), ZOOM_MAX);
      move(newZoom, left + at / zoom - at / newZoom);
    }

    function place(event) {
      const matrix = plot.parentNode.getScreenCTM();
      return (event.clientX - matrix.e) / matrix.a;
    }

    svg.classList.add("movable");
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoomAt(Math.exp(-event.deltaY / 250), place(event));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        move(zoom, left + (event.deltaX || event.deltaY) / zoom);
      }
    }, { passive: false });
    svg.addEventListener("dblclick", (event) => zoomAt(event.shiftKey ? 0.4 : 2.5, place(event)));
    let held = null;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      held = { at: place(event), left };
      svg.setPointerCapture(event.pointerId);
      svg.classList.add("moving");
    });
    svg.addEventListener("pointermove", (event) => {
      if (held) move(zoom, held.left - (place(event) - held.at) / zoom);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      svg.addEventListener(name, () => {
        held = null;
        svg.classList.remove("moving");
      });
    }
    const actions = {
      "+": () => zoomAt(1.6, width / 2), "=": () => zoomAt(1.6, width / 2),
      "-": () => zoomAt(1 / 1.6, width / 2), 0: () => move(1, 0),
      ArrowLeft: () => move(zoom, left - width / zoom / 8),
      ArrowRight: () => move(zoom, left + width / zoom / 8),
    };
    svg.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
    });
    for (const button of document.querySelectorAll("button[data-key]")) {
      button.addEventListener("click", () => actions[button.dataset.key]());
    }
    document.querySelector("#zoom-tools").hidden = false;
  }

  function filterable(table) {
    const words = document.querySelector("#event-words");
    const node = document.querySelector("#event-node");
    const count = document.querySelector("#event-count");
    const rows = Array.from(table.tBodies[0].rows, (row) => (
      { row, node: row.cells[1].textContent, text: row.textContent.toLowerCase() }
    ));
    function filter() {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const one of rows) {
        const fits = (!node.value || one.node === node.value)
          && wanted.every((word) => one.text.includes(word));
        one.row.hidden = !fits;
        shown += fits ? 1 : 0;
      }
      count.textContent = `${shown} of ${rows.length}`;
    }
    words.addEventListener("input", filter);
    node.addEventListener("change", filter);
    document.querySelector("#event-tools").hidden = false;
    filter();
  }

  const svg = document.querySelector("svg.fl-diagram");
  if (svg) zoomable(svg);
  const table = document.querySelector("#events");
  if (table) filterable(table);
})();
