// 40 requests by Java's HttpClient, every second one with X-User: alice: the first half by a client that offers HTTP/2 with each
// request, as it does unless it's told otherwise, the others by one of HTTP/1.1 alone. Each keeps a pool of connections.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Version;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;

class Pool {
  private static final Pattern POD = Pattern.compile("\"pod\":\\s*\"([^\"]*)\"");

  public static void main(String[] args) {
    for (Version version : new Version[] {Version.HTTP_2, Version.HTTP_1_1}) {
      HttpClient client = HttpClient.newBuilder().version(version).build();
      // Five at a time, so that later ones find connections that are open.
      for (int round = 0; round < 4; round++) {
        List<CompletableFuture<String>> answers = new ArrayList<>();
        for (int i = 5 * round; i < 5 * round + 5; i++) answers.add(ask(client, args[0], i));
        for (CompletableFuture<String> answer : answers) System.out.println(answer.join());
      }
    }
  }

  private static CompletableFuture<String> ask(HttpClient client, String url, int i) {
    String user = i % 2 == 0 ? "alice" : "nobody";
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).header("X-User", user);
    if (i % 4 > 1) request.PUT(BodyPublishers.ofString("a body".repeat(1000)));
    return client.sendAsync(request.build(), BodyHandlers.ofString()).thenApply((response) -> {
      var pod = POD.matcher(response.body());
      return user + " " + (pod.find() ? pod.group(1) : response.statusCode());
    });
  }
}
