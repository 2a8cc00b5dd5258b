/** Bytes are not an HTTP/1.1 message, or two parsers could read them differently: they must not be passed on. */
export class HttpFormatError extends Error {
  override name = "HttpFormatError";
}
