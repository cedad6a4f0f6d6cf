// What JupyterLab loads, written by hand: the container of a prebuilt extension, with one plugin.
{
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("style.css", document.currentScript.src);
  document.head.append(style);

  // Mark what nbgrader has as a solution: a stylesheet does not see a cell's metadata.
  const mark = ({ widgets }) => {
    for (const { node, model } of widgets)
      node.classList.toggle("dropout-exercise", Boolean(model.getMetadata("nbgrader")?.solution));
  };

  // A report's address ends with a cell. JupyterLab asks for it in the notebook that is open when
  // the page begins, which is another one, or none, where this lesson was not open before.
  let { pathname, hash } = location;
  const lead = async ({ context, content, revealed }) => {
    if (!hash.startsWith("#cell-id=")) return;
    if (!decodeURIComponent(pathname).endsWith(`/tree/${context.path}`)) return;
    await revealed;
    // Cells grow as they are drawn: the cell is kept in sight until the reader does something.
    const end = hash, drawn = new ResizeObserver(() => content.setFragment(end));
    hash = "";
    drawn.observe(content.node.querySelector(".jp-WindowedPanel-viewport"));
    for (const act of ["wheel", "pointerdown", "keydown"])
      addEventListener(act, () => drawn.disconnect(), { capture: true, once: true });
  };

  const watch = async (_, panel) => {
    const { context, content } = panel;
    await context.ready;
    const { model } = context;
    mark(content);
    lead(panel);
    // Cells come and go, and each is drawn after its model has changed.
    model.cells.changed.connect(() => requestAnimationFrame(() => mark(content)));
    // Which Python runs is noted in the notebook when its kernel starts. That alone is no change
    // that a reader made, and nothing to be saved.
    model.metadataChanged.connect((_, { key }) => {
      if (key === "language_info" && !model.dirty) queueMicrotask(() => { model.dirty = false; });
    });
  };

  // JupyterLab shows a picture without its alternative text.
  const describe = (rendermime) => {
    const type = "image/png", own = rendermime.getFactory(type);
    const createRenderer = (options) => {
      const renderer = own.createRenderer(options), render = renderer.renderModel.bind(renderer);
      renderer.renderModel = async (model) => {
        await render(model);
        for (const image of renderer.node.querySelectorAll("img"))
          image.alt = model.metadata[type]?.alt ?? "";
      };
      return renderer;
    };
    rendermime.addFactory({ ...own, mimeTypes: [type], createRenderer }, rendermime.getRank(type));
  };

  let shared;  // JupyterLab's own modules, by name and version
  const load = async (name) => (await Object.values(shared[name])[0].get())();
  (window._JUPYTERLAB ??= {}).dropout = {
    init: (scope) => { shared = scope; },
    async get() {
      const { INotebookTracker } = await load("@jupyterlab/notebook");
      const { IRenderMimeRegistry } = await load("@jupyterlab/rendermime");
      const plugin = {
        id: "dropout:notebooks",
        autoStart: true,
        requires: [INotebookTracker, IRenderMimeRegistry],
        activate: (_, tracker, rendermime) => {
          tracker.forEach((panel) => watch(tracker, panel));  // what was open before
          tracker.widgetAdded.connect(watch);
          describe(rendermime);
        },
      };
      return () => ({ __esModule: true, default: plugin });
    },
  };
}
