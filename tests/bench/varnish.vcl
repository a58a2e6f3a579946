vcl 4.1;
# Varnish as a cache before one origin: everything is kept for an hour.
backend origin { .host = "@ORIGIN_HOST@"; .port = "@ORIGIN_PORT@"; }
sub vcl_backend_response { set beresp.ttl = 1h; }
