"""What two ends agree on before sound flows: session descriptions (RFC 8866), offer and answer (RFC 3264). Pure."""
