/** No tunnel was there in time for a connection. */
export class NoTunnel extends Error {
  override name = "NoTunnel";
}
