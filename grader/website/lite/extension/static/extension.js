// What JupyterLite loads, written by hand: the container of a prebuilt extension, with one plugin.
// A line above each notebook says where the work is kept, and offers it as a file.
{
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("style.css", document.currentScript.src);
  document.head.append(style);

  const SAYS = "Your work is kept in this browser only. Download the notebook to keep it elsewhere, "
    + "to have it graded, or to hand it in.";
  const DOWNLOAD = "docmanager:download";
  let changed = false;  // since it was last downloaded

  const line = (commands) => {
    const node = document.createElement("div"), button = document.createElement("button");
    node.className = "dropout-here";
    node.setAttribute("role", "note");
    button.textContent = "Download";
    button.addEventListener("click", () => commands.execute(DOWNLOAD));
    node.append(SAYS, button);
    return node;
  };

  // A browser that is asked so shows words of its own before the tab is closed.
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

  // JupyterLite's service worker keeps what goes through it, for a visit without a network; what came
  // before it did is asked for once more, and what the lesson trained, which comes when it is used.
  const keep = async () => {
    if (!navigator.serviceWorker) return;
    await navigator.serviceWorker.ready;
    const came = performance.getEntriesByType("resource").map(({ name }) => name);
    const own = came.filter((name) => name.startsWith(location.origin));
    const lesson = new URLSearchParams(location.search).get("path")?.split("/")[0];
    const results = new URL("../static/kept/", location);
    const list = await fetch(new URL(`${lesson}.json`, results)).catch(() => {});
    const made = list?.ok ? (await list.json()).map((name) => new URL(name, results).href) : [];
    for (const address of [location.href, ...own, ...made]) await fetch(address).catch(() => {});
    document.documentElement.dataset.kept = own.length;  // for who waits for it
  };

  let shared;  // JupyterLab's own modules, by name and version
  const load = async (name) => (await Object.values(shared[name])[0].get())();
  (window._JUPYTERLAB ??= {})["dropout-here"] = {
    init: (scope) => { shared = scope; },
    async get() {
      const { INotebookTracker } = await load("@jupyterlab/notebook");
      const { Widget } = await load("@lumino/widgets");
      const plugin = {
        id: "dropout-here:line",
        autoStart: true,
        requires: [INotebookTracker],
        activate: ({ commands }, tracker) => {
          let kept;
          const watch = async (_, panel) => {
            panel.sessionContext.statusChanged.connect((_, status) => {
              if (status === "idle") kept ??= keep();  // after what the reader waits for
            });
            panel.contentHeader.addWidget(new Widget({ node: line(commands) }));
            await panel.context.ready;
            panel.context.model.contentChanged.connect(() => { changed = true; });
          };
          tracker.forEach((panel) => watch(tracker, panel));
          tracker.widgetAdded.connect(watch);
          commands.commandExecuted.connect((_, { id, result }) => {
            if (id === DOWNLOAD) result.then(() => { changed = false; });
          });
        },
      };
      return () => ({ __esModule: true, default: plugin });
    },
  };
}
