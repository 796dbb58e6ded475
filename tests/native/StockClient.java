import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

/** A program that knows nothing of tracing: it asks for a URL so many times, once the agent has had time to start. */
public class StockClient {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
        Thread.sleep(5_000);
        for (int sent = 0; sent < Integer.parseInt(arguments[1]); sent++) {
            client.send(request, BodyHandlers.discarding());
        }
    }
}
