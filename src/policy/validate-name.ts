/**
 * The text forms that Kubernetes gives names, label keys, label values and port names. Each function returns what is
 * wrong with the text, or undefined when it is right. Lengths are checked first, so the patterns see short text only.
 */

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_TEXT = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const PORT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

const DNS_LABEL_MAX = 63;
const DNS_SUBDOMAIN_MAX = 253;
const LABEL_TEXT_MAX = 63;
const PORT_NAME_MAX = 15;

/** Names of namespaces (RFC 1123 label). */
export function faultOfDnsLabel(text: string): string | undefined {
  if (text.length > DNS_LABEL_MAX) return `must not be longer than ${DNS_LABEL_MAX} characters`;
  if (DNS_LABEL.test(text)) return undefined;
  return 'must consist of a-z, 0-9 and "-", and begin and end with a letter or digit';
}

/** Names of pods, nodes and policies, and prefixes of label keys (RFC 1123 subdomain). */
export function faultOfDnsSubdomain(text: string): string | undefined {
  if (text.length > DNS_SUBDOMAIN_MAX) return `must not be longer than ${DNS_SUBDOMAIN_MAX} characters`;
  if (text.split('.').every((part) => DNS_LABEL.test(part))) return undefined;
  return 'must consist of a-z, 0-9, "-" and ".", and each part between dots begin and end with a letter or digit';
}

/** A qualified name: `name` or `dns.prefix/name`. */
export function faultOfLabelKey(text: string): string | undefined {
  const slash = text.indexOf('/');
  const name = slash < 0 ? text : text.slice(slash + 1);
  if (slash >= 0) {
    const fault = faultOfDnsSubdomain(text.slice(0, slash));
    if (fault !== undefined) return `its part before "/" ${fault}`;
  }
  if (name.length > LABEL_TEXT_MAX) return `its name must not be longer than ${LABEL_TEXT_MAX} characters`;
  if (LABEL_TEXT.test(name)) return undefined;
  return 'must be a name of A-Z, a-z, 0-9, "-", "_" and ".", that begins and ends with a letter or digit, with at most one prefix and "/" before it';
}

/** May be empty. */
export function faultOfLabelValue(text: string): string | undefined {
  if (text === '') return undefined;
  if (text.length > LABEL_TEXT_MAX) return `must not be longer than ${LABEL_TEXT_MAX} characters`;
  if (LABEL_TEXT.test(text)) return undefined;
  return 'must be empty or consist of A-Z, a-z, 0-9, "-", "_" and ".", and begin and end with a letter or digit';
}

/** NP-42 (RFC 6335 service name). */
export function faultOfPortName(text: string): string | undefined {
  if (text.length > PORT_NAME_MAX) return `must not be longer than ${PORT_NAME_MAX} characters`;
  if (PORT_NAME.test(text) && /[a-z]/.test(text) && !text.includes('--')) return undefined;
  return 'must consist of a-z, 0-9 and single "-" between them, with at least one letter';
}
