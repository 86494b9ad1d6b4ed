"""From URL to function, and who may call it: the image API in two tables."""

from kilonova.api.call import Routes
from kilonova.api.image import data, discovery, images, members
from kilonova.api.rights import Right, Rights

_IMAGE = "/v2/images/{image_id}"

ROUTES: Routes = {
    "": {"GET": discovery.choose_version},
    "/": {"GET": discovery.choose_version},
    "/versions": {"GET": discovery.list_versions},
    "/v2": {"GET": discovery.choose_version},
    "/v2/images": {"GET": images.list_images, "POST": images.create_image},
    _IMAGE: {"GET": images.show_image, "PATCH": images.update_image, "DELETE": images.delete_image},
    _IMAGE + "/file": {"GET": data.download, "PUT": data.upload},
    _IMAGE + "/stage": {"PUT": data.stage},
    _IMAGE + "/import": {"POST": images.import_image},
    _IMAGE + "/tasks": {"GET": images.list_tasks},
    _IMAGE + "/tags/{tag}": {"PUT": images.add_tag, "DELETE": images.remove_tag},
    _IMAGE + "/actions/deactivate": {"POST": images.deactivate},
    _IMAGE + "/actions/reactivate": {"POST": images.reactivate},
    _IMAGE + "/members": {"GET": members.list_members, "POST": members.add_member},
    _IMAGE + "/members/{member_id}": {
        "GET": members.show_member,
        "PUT": members.update_member,
        "DELETE": members.remove_member,
    },
    "/v2/schemas/image": {"GET": discovery.image_schema},
    "/v2/schemas/images": {"GET": discovery.images_schema},
    "/v2/schemas/member": {"GET": discovery.member_schema},
    "/v2/schemas/members": {"GET": discovery.members_schema},
    "/v2/info/import": {"GET": discovery.show_import_methods},
    "/v2/info/stores": {"GET": discovery.show_stores},
    "/v2/info/usage": {"GET": discovery.show_usage},
}

RIGHTS: Rights = {
    discovery.choose_version: Right.ANYONE,
    discovery.list_versions: Right.ANYONE,
    discovery.image_schema: Right.READER,
    discovery.images_schema: Right.READER,
    discovery.member_schema: Right.READER,
    discovery.members_schema: Right.READER,
    discovery.show_import_methods: Right.READER,
    discovery.show_stores: Right.READER,
    discovery.show_usage: Right.READER,
    images.list_images: Right.READER,
    images.show_image: Right.READER,
    images.list_tasks: Right.READER,
    images.create_image: Right.MEMBER,
    images.update_image: Right.MEMBER,
    images.delete_image: Right.MEMBER,
    images.add_tag: Right.MEMBER,
    images.remove_tag: Right.MEMBER,
    images.import_image: Right.MEMBER,
    images.deactivate: Right.ADMIN,
    images.reactivate: Right.ADMIN,
    data.download: Right.READER,
    data.upload: Right.MEMBER,
    data.stage: Right.MEMBER,
    members.list_members: Right.READER,
    members.show_member: Right.READER,
    members.add_member: Right.MEMBER,
    members.update_member: Right.MEMBER,
    members.remove_member: Right.MEMBER,
}
