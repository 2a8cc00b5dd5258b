/** The port on 127.0.0.1 where the proxy is served if it is free, and no other was asked for. */
export const USUAL_PROXY_PORT = 1080;
