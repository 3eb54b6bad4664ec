"use strict";
(() => {
  const number = (text) => {
    const value = Number.parseFloat(text.replace("<", ""));
    return Number.isNaN(value) ? null : value;
  };
  const compare = (one, two) => {
    const [a, b] = [number(one), number(two)];
    if (a !== null && b !== null) return a - b;
    if (a === null && b === null) return one.localeCompare(two);
    return a === null ? 1 : -1;
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((head, place) => {
      head.firstElementChild.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = [...body.rows].sort((one, two) => {
          const order = compare(one.cells[place].textContent, two.cells[place].textContent);
          return up ? order : -order;
        });
        body.append(...rows);
      });
    });
  }

  const source = document.getElementById("data");
  if (!source) return;
  const flips = JSON.parse(source.textContent);
  const names = JSON.parse(document.getElementById("names").textContent);
  const list = document.getElementById("flips");
  const more = document.getElementById("more");
  const status = document.getElementById("count");
  const fields = ["by-cell", "by-seed", "by-kind", "by-item"].map((id) => document.getElementById(id));
  const page = 50;
  let chosen = [];
  let shown = 0;

  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text; // never innerHTML: this is what a model wrote
    if (kind) element.className = kind;
    return element;
  };
  const kindOf = (flip) => (flip[4][0] < flip[3][0] ? "lost" : "gained");
  const arm = (title, [score, verdict, extracted, reason, text]) => {
    const box = make("div");
    box.append(make("h3", title));
    box.append(make("p", `Score ${score}: ${verdict}${reason ? `, ${reason}` : ""}`));
    box.append(make("p", extracted === null ? "Nothing was extracted." : `Compared: ${extracted}`));
    if (text === null) {
      box.append(make("p", "The text of this benchmark is not shown."));
    } else {
      const answer = make("pre", text === "" ? "(empty answer)" : text);
      answer.tabIndex = 0;
      answer.setAttribute("role", "region");
      answer.setAttribute("aria-label", `Answer of the ${title.toLowerCase()}`);
      box.append(answer);
    }
    return box;
  };
  const entry = (flip) => {
    const box = make("details", undefined, "flip");
    const head = make("summary");
    const kind = kindOf(flip);
    head.append(make("span", kind, `tag ${kind}`), ` ${names[flip[0]]} · seed ${flip[1]} · ${flip[2]}`);
    box.append(head);
    box.addEventListener("toggle", () => {
      if (box.childElementCount > 1) return;
      const arms = make("div", undefined, "arms");
      arms.append(arm("Base arm", flip[3]), arm("Treat arm", flip[4]));
      box.append(arms);
    });
    return box;
  };
  const grow = () => {
    list.append(...chosen.slice(shown, shown + page).map(entry));
    shown = Math.min(shown + page, chosen.length);
    more.hidden = shown >= chosen.length;
    status.textContent = `${shown} of ${chosen.length} shown`;
  };
  const filter = () => {
    const [cell, seed, kind, item] = fields.map((field) => field.value);
    const wanted = item.toLowerCase();
    chosen = flips.filter(
      (flip) =>
        (cell === "" || flip[0] === Number(cell)) &&
        (seed === "" || flip[1] === Number(seed)) &&
        (kind === "" || kindOf(flip) === kind) &&
        flip[2].toLowerCase().includes(wanted),
    );
    list.replaceChildren();
    shown = 0;
    grow();
  };
  for (const field of fields) field.addEventListener("input", filter);
  more.addEventListener("click", () => {
    const first = shown;
    grow();
    list.children[first]?.firstElementChild.focus();
  });
  document.getElementById("controls").hidden = false;
  filter();
})();
