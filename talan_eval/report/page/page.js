"use strict";
(() => {
  const number = (text) => {
    const value = Number.parseFloat(text.replace("<", ""));
    return Number.isNaN(value) ? null : value;
  };
  const worth = (cell) => number(cell.dataset.order ?? cell.textContent);
  const compare = (one, two) => {
    const [a, b] = [worth(one), worth(two)];
    if (a !== null && b !== null) return a - b;
    if (a === null && b === null) return one.textContent.localeCompare(two.textContent);
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
          const order = compare(one.cells[place], two.cells[place]);
          return up ? order : -order;
        });
        body.append(...rows);
      });
    });
  }

  const chooser = document.getElementById("contrast");
  if (chooser) {
    const parts = [...document.querySelectorAll("[data-contrast]")];
    const choose = () => {
      for (const part of parts) part.hidden = chooser.value !== "" && part.dataset.contrast !== chooser.value;
      document.getElementById("chosen").textContent =
        chooser.value === "" ? `all ${chooser.options.length - 1} contrasts shown` : "shown alone";
    };
    const follow = () => {
      const asked = /^#contrast-(\d+)$/.exec(location.hash);
      if (!asked) return;
      chooser.value = String(Number(asked[1]) - 1);
      chooser.dispatchEvent(new Event("input"));
      const part = document.getElementById(asked[0].slice(1));
      part?.scrollIntoView();
      part?.focus({ preventScroll: true });
    };
    chooser.addEventListener("input", choose);
    addEventListener("hashchange", follow);
    document.getElementById("switch").hidden = false;
    choose();
    follow();
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
  const kindOf = (flip) => (flip[5][0] < flip[4][0] ? "lost" : "gained");
  const benchmarkOf = (flip) => names[flip[0]].benchmarks[flip[1]];
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
      answer.setAttribute("aria-label", `Answer of the ${title}`);
      box.append(answer);
    }
    return box;
  };
  const place = (flip) => {
    const whole = names.length > 1 && chooser?.value === "" ? [names[flip[0]].name] : [];
    return [...whole, benchmarkOf(flip), `seed ${flip[2]}`, flip[3]].join(" · ");
  };
  const entry = (flip) => {
    const box = make("details", undefined, "flip");
    const head = make("summary");
    const kind = kindOf(flip);
    head.append(make("span", kind, `tag ${kind}`), ` ${place(flip)}`);
    box.append(head);
    box.addEventListener("toggle", () => {
      if (box.childElementCount > 1) return;
      const arms = make("div", undefined, "arms");
      const [base, treatment] = names[flip[0]].arms;
      arms.append(arm(`Base arm: ${base}`, flip[4]), arm(`Treat arm: ${treatment}`, flip[5]));
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
        (!chooser || chooser.value === "" || flip[0] === Number(chooser.value)) &&
        (cell === "" || benchmarkOf(flip) === cell) &&
        (seed === "" || flip[2] === Number(seed)) &&
        (kind === "" || kindOf(flip) === kind) &&
        flip[3].toLowerCase().includes(wanted),
    );
    list.replaceChildren();
    shown = 0;
    grow();
  };
  for (const field of fields) field.addEventListener("input", filter);
  chooser?.addEventListener("input", filter);
  more.addEventListener("click", () => {
    const first = shown;
    grow();
    list.children[first]?.firstElementChild.focus();
  });
  document.getElementById("controls").hidden = false;
  filter();
})();
