"""A token as Keystone shows it: whose it is, where it is good, by what it was got, and the catalogue. Issues none."""

from kilonova.api.call import Call
from kilonova.api.identity.catalogue import catalogue
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.views import View, moment
from kilonova.api.identity.views_credentials import access_rule_view
from kilonova.model.caller import Caller


def is_scoped(caller: Caller) -> bool:
    return bool(caller.project_id or caller.domain_id or caller.is_system)


def token_view(call: Call, book: IdentityBook, caller: Caller) -> View:
    view: View = {
        "methods": list(caller.methods),
        "user": {
            "id": caller.user_id,
            "name": caller.user_name,
            "domain": {"id": caller.user_domain_id, "name": caller.user_domain_name},
            "password_expires_at": None,
        },
        "audit_ids": list(caller.audit_ids),
        "issued_at": moment(caller.issued_at),
        "expires_at": moment(caller.expires_at),
    }
    if caller.project_id:
        domain = {"id": caller.project_domain_id, "name": caller.project_domain_name}
        view["project"] = {"id": caller.project_id, "name": caller.project_name, "domain": domain}
        view["is_domain"] = False
    elif caller.domain_id:
        view["domain"] = {"id": caller.domain_id, "name": caller.domain_name}
    elif caller.is_system:
        view["system"] = {"all": True}
    view |= _got_by(caller)
    if is_scoped(caller):
        view["roles"] = [{"id": role_id, "name": name} for role_id, name in caller.role_ids]
        if "nocatalog" not in call.query:
            view["catalog"] = catalogue(call, book, caller)
    return view


def _got_by(caller: Caller) -> View:
    """The application credential or the trust behind the token."""
    view = View()
    use, trust = caller.app_credential, caller.trust
    if use is not None:
        view["application_credential"] = {"id": use.id, "name": use.name, "restricted": not use.unrestricted}
        if use.access_rules:
            view["application_credential"]["access_rules"] = [access_rule_view(rule) for rule in use.access_rules]
    if trust is not None:
        view["OS-TRUST:trust"] = {
            "id": trust.id,
            "impersonation": trust.impersonation,
            "trustor_user": {"id": trust.trustor_id},
            "trustee_user": {"id": trust.trustee_id},
        }
    return view
