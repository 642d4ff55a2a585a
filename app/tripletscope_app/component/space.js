// Which map: the exact plane or the fixed projection that came with the run, or another layout that was computed for it.

/** The spaces that the watched run can be seen in: [{name, title}], its own first. */
export function spacesOf(run) {
  return run ? [{ name: run.exact ? "exact" : "pca", title: run.exact ? "exact" : "PCA" }] : [];
}
