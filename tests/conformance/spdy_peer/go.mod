module pmz.test/spdy_peer

go 1.24

require (
	github.com/gorilla/websocket v1.5.4-0.20250319132907-e064f32e3674
	github.com/moby/spdystream v0.5.0
)

require golang.org/x/net v0.26.0 // indirect
