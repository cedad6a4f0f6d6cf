// Explorers on a page: an object of four methods stands in for the kernel's model, and the address
// keeps where the controls are, so that a view can be linked: #NAME:p=0.9,draw=2
import { places } from "./explore/kit.js";

for (const host of document.querySelectorAll("[data-explorer]")) {
  const state = JSON.parse(host.querySelector("script").textContent);
  for (const [name, text] of Object.entries(state.bytes))
    state[name] = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const { default: explorer } = await import(`./explore/${state.script}.js`);
  const changed = new Set(), tell = (names) => {
    for (const [event, hear] of heard) if (names.some((name) => event === `change:${name}`)) hear();
  };
  let heard = [], later;
  const mark = `#${state.script}:`;
  const asked = () => {
    if (!state.controls || !location.hash.startsWith(mark)) return null;
    const pairs = decodeURIComponent(location.hash.slice(mark.length)).split(",").map((s) => s.split("="));
    const known = pairs.filter(([name]) => state.controls.some((control) => control.name === name));
    return places(state.controls, Object.fromEntries(known.map(([name, v]) => [name, isNaN(v) ? v : Number(v)])));
  };
  const written = () => mark + state.controls
    .map(({ name, values }) => `${name}=${values[state.at[name]]}`).join(",");
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      changed.add(name);
    },
    on: (events, hear) => { for (const event of events.split(" ")) heard.push([event, hear]); },
    off: (_, hear) => { heard = heard.filter(([, one]) => one !== hear); },
    save_changes() {
      const names = [...changed];
      changed.clear();
      tell(names);
      clearTimeout(later);  // browsers refuse an address that changes all the time
      if (state.controls) later = setTimeout(() => history.replaceState(null, "", written()), 200);
    },
  };
  state.at = { ...state.at, ...asked() };
  addEventListener("hashchange", () => {
    const there = asked();
    if (!there) return;
    state.at = { ...state.at, ...there };
    tell(["at"]);
    host.scrollIntoView({ block: "nearest" });
  });
  host.replaceChildren();
  explorer.render({ model, el: host });
  if (asked()) host.scrollIntoView({ block: "nearest" });
}
