"use strict";
for (const figure of document.querySelectorAll(".case")) {
  const stage = figure.querySelector(".stage");
  const slider = stage.querySelector("input");
  const left = stage.querySelector(".left");

  // An arrow key moves the divider by one hundredth, Page Up and Page Down by ten.
  const wipe = () => {
    stage.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${left.textContent} on the left ${slider.value} percent`);
  };
  const choose = () => {
    const chosen = figure.querySelector("input[data-method]:checked") ?? figure.querySelector("[data-prediction]");
    const method = chosen.dataset.method ?? chosen.dataset.prediction;
    const view = figure.querySelector("input[data-view]:checked").dataset.view;
    for (const image of stage.querySelectorAll("img")) {
      const shown =
        image.dataset.truth !== undefined ||
        (view === "wipe" && image.dataset.prediction === method) ||
        (view === "error" && image.dataset.error === method) ||
        (view === "inputs" && image.dataset.inputs !== undefined);
      image.hidden = !shown;
    }
    stage.classList.toggle("plain", view !== "wipe");
    left.textContent = stage.querySelector(`[data-prediction="${method}"]`).dataset.label;
    wipe();
  };
  slider.addEventListener("input", wipe);
  figure.addEventListener("change", choose);
  choose();
}
