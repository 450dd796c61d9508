"""Where spans go, and what of them: the only room that knows the OpenTelemetry SDK. All others know its API."""
