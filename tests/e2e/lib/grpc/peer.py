"""grpcio as a server, or as a client of it: `peer.py server NAME PORT`, `peer.py client TARGET AUTHORITY USER...`.

Messages are bytes, so there is no generated code. The client makes all calls of all users on one channel, and prints a line of JSON
for each user. `peer.py hold TARGET USER` keeps a stream open, and says how it ends.
"""
import json
import sys
from concurrent import futures

import grpc

SERVICE = "pmz.Test"


def serve(name, port):
    def trailers(context):
        context.set_trailing_metadata((("x-served-by", name), ("x-bytes-bin", b"\x00\xff")))

    def unary(request, context):
        trailers(context)
        return name.encode() + b" " + request

    def count(request, context):
        for i in range(int(request)):
            yield f"{name} {i}".encode()
        trailers(context)

    def echo(requests, context):
        for request in requests:
            yield name.encode() + b" " + request
        trailers(context)

    def fail(request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{name} won't")

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Echo": grpc.stream_stream_rpc_method_handler(echo),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    server.add_insecure_port(f"0.0.0.0:{port}")
    server.start()
    print("listening", flush=True)
    server.wait_for_termination()


def call_all(channel, user):
    metadata = [("x-user", user)] if user != "-" else []
    options = {"metadata": metadata, "timeout": 20}
    unary, call = channel.unary_unary(f"/{SERVICE}/Unary").with_call(b"x" * 100_000, **options)
    counted = list(channel.unary_stream(f"/{SERVICE}/Count")(b"50", **options))
    echoed = list(channel.stream_stream(f"/{SERVICE}/Echo")(iter([b"a", b"b" * 70_000, b"c"]), **options))
    try:
        channel.unary_unary(f"/{SERVICE}/Fail")(b"", **options)
        failed = "OK"
    except grpc.RpcError as error:
        failed = f"{error.code().name}: {error.details()}"
    trailers = {key: value if isinstance(value, str) else value.hex() for key, value in call.trailing_metadata()}
    print(json.dumps({
        "unary": unary[:20].decode().split(" ")[0],
        "bytes": len(unary),
        "counted": [counted[0].decode(), counted[-1].decode(), len(counted)],
        "echoed": [one[:20].decode().split(" ")[0] for one in echoed],
        "failed": failed,
        "trailers": trailers,
    }), flush=True)


def hold(target, user):
    def forever():
        yield b"first"
        import time
        while True:
            time.sleep(0.05)
            yield b"again"

    channel = grpc.insecure_channel(target)
    metadata = [("x-user", user)] if user != "-" else []
    try:
        for i, message in enumerate(channel.stream_stream(f"/{SERVICE}/Echo")(forever(), metadata=metadata)):
            if i == 0:
                print("first", message.decode(), flush=True)
    except grpc.RpcError as error:
        print("ended", error.code().name, flush=True)


if __name__ == "__main__":
    mode, *args = sys.argv[1:]
    if mode == "server":
        serve(args[0], int(args[1]))
    elif mode == "hold":
        hold(*args)
    elif mode == "client":
        target, authority, *users = args
        options = [("grpc.default_authority", authority)] if authority != "-" else []
        with grpc.insecure_channel(target, options=options) as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
            for user in users:
                call_all(channel, user)
