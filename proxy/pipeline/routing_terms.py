"""The routing terms of a bundle, read once per bundle. Resolves no model."""

from proxy.bundle import Bundle, ProviderBinding
from rules import routing_terms as rules

RoutingTerms = rules.RoutingTerms[ProviderBinding]


def routing_terms(bundle: Bundle) -> RoutingTerms:
    """Return the routing terms of a bundle."""
    return rules.terms_of(bundle.config, bundle.providers, bundle.routing_policy)
