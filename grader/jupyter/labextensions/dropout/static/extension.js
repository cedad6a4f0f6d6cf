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

  const watch = async (_, { context, content }) => {
    await context.ready;
    const { model } = context;
    mark(content);
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
