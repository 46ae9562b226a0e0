// The theme colours the heads of arrows and forgets the crosses of lost messages, which stay black.
{
  const initialize = mermaid.initialize;
  const crosses = "#crosshead path{stroke:var(--md-mermaid-sequence-message-line-color)}";
  mermaid.initialize = (settings) =>
    initialize({ ...settings, themeCSS: (settings.themeCSS ?? "") + crosses });
}
