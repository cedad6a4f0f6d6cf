function render({ model, el }) {
  const image = document.createElement("img");
  const caption = document.createElement("figcaption");
  caption.setAttribute("aria-live", "polite");
  const figure = document.createElement("figure");
  figure.className = "dropoutlab-picture";
  figure.append(image, caption);
  el.append(figure);
  const paint = () => {
    const old = image.src;
    image.src = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    image.style.width = model.get("width") + "px";
    if (old) URL.revokeObjectURL(old);
  };
  const tell = () => { image.alt = caption.textContent = model.get("says"); };
  model.on("change:png", paint);
  model.on("change:says", tell);
  paint();
  tell();
}
export default { render };
