"""Single sign-on with a provider of OpenID Connect (ACC-05)."""
