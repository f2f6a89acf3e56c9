"""What is said of provider types here is what the gateway does."""

from proxy.providers.registry import PROVIDERS
from rules.apis import Api, is_native


def test_a_type_is_native_where_the_gateway_passes_requests_on_as_they_come() -> None:
    told = {(name, api): is_native(name, api) for name in PROVIDERS for api in Api}
    done = {
        (name, api): api.value in provider.dialects
        for name, provider in PROVIDERS.items()
        for api in Api
    }
    assert told == done
