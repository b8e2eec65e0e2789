"""Every reason reports under a category of the EU's transparency database."""

from bot.core.reasons import DSA_CATEGORY, PROTECTIVE, ReasonCode

# https://transparency.dsa.ec.europa.eu/page/api-documentation, field `category`
CATEGORIES = {
    "ANIMAL_WELFARE",
    "CONSUMER_INFORMATION",
    "CYBER_VIOLENCE",
    "CYBER_VIOLENCE_AGAINST_WOMEN",
    "DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    "ILLEGAL_OR_HARMFUL_SPEECH",
    "INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    "NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    "NOT_SPECIFIED_NOTICE",
    "OTHER_VIOLATION_TC",
    "PROTECTION_OF_MINORS",
    "RISK_FOR_PUBLIC_SECURITY",
    "SCAMS_AND_FRAUD",
    "SELF_HARM",
    "UNSAFE_AND_PROHIBITED_PRODUCTS",
    "VIOLENCE",
}


def test_each_of_the_twenty_reasons_has_one_of_the_sixteen_categories() -> None:
    assert len(ReasonCode) == 20
    assert len(CATEGORIES) == 16
    assert DSA_CATEGORY.keys() == set(ReasonCode)
    assert set(DSA_CATEGORY.values()) <= CATEGORIES


def test_five_reasons_protect_people() -> None:
    assert {r.value for r in PROTECTIVE} == {
        "compromised-account",
        "child-safety",
        "threats",
        "extremism",
        "legal-order",
    }
