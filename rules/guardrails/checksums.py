"""Check digits of card, account and identity numbers. Takes numbers without separators; finds none in a text."""

import string

_NIR_CORSICA = {"A": "0", "B": "0"}
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_FISCAL_DIGITS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_FISCAL_REST = (2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_FISCAL_ODD = dict(
    zip(
        string.digits + string.ascii_uppercase,
        (*_FISCAL_DIGITS, *_FISCAL_DIGITS, *_FISCAL_REST),
        strict=True,
    )
)


def luhn(digits: str) -> bool:
    """Say whether a card number's last digit is right (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and len(set(digits)) > 1


def iban(text: str) -> bool:
    """Say whether an IBAN's check digits are right (ISO 13616, remainder of 97)."""
    turned = text[4:] + text[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def us_ssn(digits: str) -> bool:
    """Say whether nine digits can be a social security number; it has no check digit, but numbers never given."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def german_tax_id(digits: str) -> bool:
    """Say whether eleven digits are a tax identification number (ISO 7064, MOD 11,10; one digit repeats)."""
    if digits[0] == "0" or not 8 <= len(set(digits[:10])) <= 9:
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def french_nir(text: str) -> bool:
    """Say whether fifteen signs are a French social security number with its key (97 minus the remainder)."""
    number, key = text[:13], text[13:]
    shift = {"A": 1_000_000, "B": 2_000_000}.get(number[6], 0)
    plain = number[:6] + _NIR_CORSICA.get(number[6], number[6]) + number[7:]
    if not plain.isdigit() or not key.isdigit() or not "01" <= number[3:5] <= "12":
        return False
    return 97 - (int(plain) - shift) % 97 == int(key)


def spanish_id(text: str) -> bool:
    """Say whether a DNI or NIE ends in its letter (remainder of 23)."""
    digits = {"X": "0", "Y": "1", "Z": "2"}.get(text[0], text[0]) + text[1:-1]
    return _DNI_LETTERS[int(digits) % 23] == text[-1]


def italian_fiscal_code(text: str) -> bool:
    """Say whether sixteen signs end in the letter of a codice fiscale."""
    total = 0
    for place, sign in enumerate(text[:15]):
        even = int(sign) if sign.isdigit() else ord(sign) - ord("A")
        total += even if place % 2 else _FISCAL_ODD[sign]
    return chr(ord("A") + total % 26) == text[15]
