"""Origins and URLs of requests."""

from target_tools.http.messages import HttpRequest, Origin


def test_host_headers_lack_the_default_port_and_have_brackets_around_ipv6_addresses():
    origin = Origin("https", "edge.example.com", 443)
    assert HttpRequest("POST", origin, "/1", (), b"", 100).url == "https://edge.example.com/1"
    assert origin.host_header == "edge.example.com"
    assert Origin("http", "edge.example.com", 443).host_header == "edge.example.com:443"
    assert Origin("http", "::1", 80).host_header == "[::1]"
    assert Origin("http", "::1", 8080).netloc == "[::1]:8080"
