"""The fixed list of reason codes, each with the category of the EU's DSA that it reports under."""

from enum import StrEnum


class ReasonCode(StrEnum):
    SPAM = "spam"
    SCAM_PHISHING = "scam-phishing"
    IMPERSONATION = "impersonation"
    FAKE_ACCOUNT = "fake-account"
    ELECTION_INTERFERENCE = "election-interference"
    HARASSMENT = "harassment"
    HATE = "hate"
    DOXXING = "doxxing"
    THREATS = "threats"
    EXTREMISM = "extremism"
    CHILD_SAFETY = "child-safety"
    INTIMATE_IMAGES = "intimate-images"
    SELF_HARM = "self-harm"
    PROHIBITED_SALES = "prohibited-sales"
    BAN_EVASION = "ban-evasion"
    SECURITY_ABUSE = "security-abuse"
    INTELLECTUAL_PROPERTY = "intellectual-property"
    LEGAL_ORDER = "legal-order"
    COMPROMISED_ACCOUNT = "compromised-account"
    OTHER = "other"


DSA_CATEGORY: dict[ReasonCode, str] = {
    ReasonCode.SPAM: "SCAMS_AND_FRAUD",
    ReasonCode.SCAM_PHISHING: "SCAMS_AND_FRAUD",
    ReasonCode.IMPERSONATION: "SCAMS_AND_FRAUD",
    ReasonCode.FAKE_ACCOUNT: "SCAMS_AND_FRAUD",
    ReasonCode.ELECTION_INTERFERENCE: "NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    ReasonCode.HARASSMENT: "CYBER_VIOLENCE",
    ReasonCode.HATE: "ILLEGAL_OR_HARMFUL_SPEECH",
    ReasonCode.DOXXING: "DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    ReasonCode.THREATS: "VIOLENCE",
    ReasonCode.EXTREMISM: "RISK_FOR_PUBLIC_SECURITY",
    ReasonCode.CHILD_SAFETY: "PROTECTION_OF_MINORS",
    ReasonCode.INTIMATE_IMAGES: "CYBER_VIOLENCE",
    ReasonCode.SELF_HARM: "SELF_HARM",
    ReasonCode.PROHIBITED_SALES: "UNSAFE_AND_PROHIBITED_PRODUCTS",
    ReasonCode.BAN_EVASION: "OTHER_VIOLATION_TC",
    ReasonCode.SECURITY_ABUSE: "OTHER_VIOLATION_TC",
    ReasonCode.INTELLECTUAL_PROPERTY: "INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    ReasonCode.LEGAL_ORDER: "NOT_SPECIFIED_NOTICE",
    ReasonCode.COMPROMISED_ACCOUNT: "OTHER_VIOLATION_TC",
    ReasonCode.OTHER: "OTHER_VIOLATION_TC",
}

# Deactivated for one of these, an account protects somebody by being away: one click of one person
# must not bring it back (design section 4).
PROTECTIVE = frozenset(
    {
        ReasonCode.COMPROMISED_ACCOUNT,
        ReasonCode.CHILD_SAFETY,
        ReasonCode.THREATS,
        ReasonCode.EXTREMISM,
        ReasonCode.LEGAL_ORDER,
    }
)
