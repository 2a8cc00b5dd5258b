/** Methods whose request may be sent again where its connection closed before an answer came (RFC 9110 §9.2.2, RFC 9112 §9.3.1). */
export const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
