"use strict";
{
  const rows = [...document.getElementById("rows").rows];
  const find = document.getElementById("find");
  const verdict = document.getElementById("verdict");
  const show = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word)) || (verdict.value !== "" && row.dataset.verdict !== verdict.value);
      shown += row.hidden ? 0 : 1;
    }
    document.getElementById("found").textContent = `${shown} of ${rows.length} shown`;
  };
  find.form.addEventListener("submit", (event) => event.preventDefault());
  find.addEventListener("input", show);
  verdict.addEventListener("input", show);
  show();
}
