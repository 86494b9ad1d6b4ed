"""From an identity URL to its function."""

from kilonova.api.call import Handler, Routes
from kilonova.api.identity import (
    access_rules,
    application_credentials,
    auth,
    domains,
    endpoints,
    grants,
    groups,
    own_password,
    project_tags,
    projects,
    regions,
    role_assignments,
    roles,
    services,
    users,
    versions,
)

_GRANTED: dict[str, Handler] = {"GET": grants.list_granted}
_GRANT: dict[str, Handler] = {
    "PUT": grants.grant_role,
    "HEAD": grants.check_role,
    "GET": grants.check_role,
    "DELETE": grants.withdraw_role,
}

ROUTES: Routes = {
    "": {"GET": versions.list_versions},
    "/v3": {"GET": versions.show_version},
    # tokens
    "/v3/auth/tokens": {"POST": auth.issue_token, "GET": auth.validate_token, "DELETE": auth.revoke_token},
    "/v3/auth/catalog": {"GET": auth.show_catalogue},
    "/v3/auth/projects": {"GET": auth.list_own_projects},
    "/v3/auth/domains": {"GET": auth.list_own_domains},
    "/v3/auth/system": {"GET": auth.list_own_systems},
    # domains and projects
    "/v3/domains": {"GET": domains.list_domains, "POST": domains.create_domain},
    "/v3/domains/{domain_id}": {
        "GET": domains.show_domain,
        "PATCH": domains.update_domain,
        "DELETE": domains.delete_domain,
    },
    "/v3/projects": {"GET": projects.list_projects, "POST": projects.create_project},
    "/v3/projects/{project_id}": {
        "GET": projects.show_project,
        "PATCH": projects.update_project,
        "DELETE": projects.delete_project,
    },
    "/v3/projects/{project_id}/tags": {
        "GET": project_tags.list_tags,
        "PUT": project_tags.replace_tags,
        "DELETE": project_tags.remove_tags,
    },
    "/v3/projects/{project_id}/tags/{tag}": {
        "GET": project_tags.check_tag,
        "PUT": project_tags.add_tag,
        "DELETE": project_tags.remove_tag,
    },
    # users and groups
    "/v3/users": {"GET": users.list_users, "POST": users.create_user},
    "/v3/users/{user_id}": {"GET": users.show_user, "PATCH": users.update_user, "DELETE": users.delete_user},
    "/v3/users/{user_id}/password": {"POST": own_password.change_password},
    "/v3/users/{user_id}/projects": {"GET": users.list_user_projects},
    "/v3/users/{user_id}/groups": {"GET": users.list_user_groups},
    "/v3/users/{user_id}/application_credentials": {
        "GET": application_credentials.list_app_credentials,
        "POST": application_credentials.create_app_credential,
    },
    "/v3/users/{user_id}/application_credentials/{credential_id}": {
        "GET": application_credentials.show_app_credential,
        "DELETE": application_credentials.delete_app_credential,
    },
    "/v3/users/{user_id}/access_rules": {"GET": access_rules.list_access_rules},
    "/v3/users/{user_id}/access_rules/{access_rule_id}": {
        "GET": access_rules.show_access_rule,
        "DELETE": access_rules.delete_access_rule,
    },
    "/v3/groups": {"GET": groups.list_groups, "POST": groups.create_group},
    "/v3/groups/{group_id}": {"GET": groups.show_group, "PATCH": groups.update_group, "DELETE": groups.delete_group},
    "/v3/groups/{group_id}/users": {"GET": groups.list_members},
    "/v3/groups/{group_id}/users/{user_id}": {
        "PUT": groups.add_member,
        "HEAD": groups.check_member,
        "GET": groups.check_member,
        "DELETE": groups.remove_member,
    },
    # roles and who has them
    "/v3/roles": {"GET": roles.list_roles, "POST": roles.create_role},
    "/v3/roles/{role_id}": {"GET": roles.show_role, "PATCH": roles.update_role, "DELETE": roles.delete_role},
    "/v3/roles/{role_id}/implies": {"GET": roles.list_implied},
    "/v3/roles/{role_id}/implies/{implied_role_id}": {
        "GET": roles.show_implied,
        "HEAD": roles.check_implied,
        "PUT": roles.imply_role,
        "DELETE": roles.stop_implying_role,
    },
    "/v3/role_inferences": {"GET": roles.list_inferences},
    "/v3/role_assignments": {"GET": role_assignments.list_role_assignments},
    "/v3/projects/{project_id}/users/{user_id}/roles": _GRANTED,
    "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}": _GRANT,
    "/v3/projects/{project_id}/groups/{group_id}/roles": _GRANTED,
    "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}": _GRANT,
    "/v3/domains/{domain_id}/users/{user_id}/roles": _GRANTED,
    "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}": _GRANT,
    "/v3/domains/{domain_id}/groups/{group_id}/roles": _GRANTED,
    "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}": _GRANT,
    "/v3/system/users/{user_id}/roles": _GRANTED,
    "/v3/system/users/{user_id}/roles/{role_id}": _GRANT,
    "/v3/system/groups/{group_id}/roles": _GRANTED,
    "/v3/system/groups/{group_id}/roles/{role_id}": _GRANT,
    "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/inherited_to_projects": _GRANTED,
    "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects": _GRANT,
    "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/inherited_to_projects": _GRANTED,
    "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects": _GRANT,
    "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects": _GRANTED,
    "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects": _GRANT,
    "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects": _GRANTED,
    "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects": _GRANT,
    # the catalogue
    "/v3/regions": {"GET": regions.list_regions, "POST": regions.create_region},
    "/v3/regions/{region_id}": {
        "GET": regions.show_region,
        "PATCH": regions.update_region,
        "DELETE": regions.delete_region,
    },
    "/v3/services": {"GET": services.list_services, "POST": services.create_service},
    "/v3/services/{service_id}": {
        "GET": services.show_service,
        "PATCH": services.update_service,
        "DELETE": services.delete_service,
    },
    "/v3/endpoints": {"GET": endpoints.list_endpoints, "POST": endpoints.create_endpoint},
    "/v3/endpoints/{endpoint_id}": {
        "GET": endpoints.show_endpoint,
        "PATCH": endpoints.update_endpoint,
        "DELETE": endpoints.delete_endpoint,
    },
}
