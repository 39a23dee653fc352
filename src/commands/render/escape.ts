/** Names that nobody checked, made harmless for the text they are put into. */

const MARKUP: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and quoted attributes of HTML and SVG. Control characters, which XML forbids, are shown as U+FFFD. */
export function escapeMarkup(text: string): string {
  return visible(text).replace(/[&<>"']/g, (letter) => MARKUP[letter] ?? letter);
}

/** For a cell of a Markdown table. */
export function escapeMarkdown(text: string): string {
  return escapeMarkup(visible(text)).replace(/[\\`*_{}[\]()#+!|~]/g, (letter) => `\\${letter}`);
}

/** For a quoted label of Mermaid, which reads `#name;` as an entity. */
export function escapeMermaid(text: string): string {
  return visible(text).replace(/[^\w .,:/*-]/gu, (letter) => `#${letter.codePointAt(0)};`);
}

/** With its quotes. */
export function quoteDot(text: string): string {
  return `"${visible(text).replace(/[\\"]/g, (letter) => `\\${letter}`)}"`;
}

/** One field of a CSV line (RFC 4180). A spreadsheet must not take it for a formula. */
export function quoteCsv(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function visible(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/gu, '\ufffd');
}
