/** An HTTP message that isn't one, or that can be read in two ways: nobody should pass it on. */
export class HttpFormatError extends Error {
  override name = "HttpFormatError";
}
