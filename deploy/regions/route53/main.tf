# One name, several instances: Route 53 asks each whether it can serve the site, and answers with those that can. If none can, it
# answers with all of them, which is right: an instance that says "not ready" still has a holding page.
#
# /readyz needs no token, but it stands on the admin listener. Let Route 53's checkers reach that port alone (with a security
# group, and admin.token_file in katahai.toml), or pass /readyz on from a web server that they may reach.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "zone_id" {
  type        = string
  description = "The hosted zone of the name."
}

variable "name" {
  type        = string
  description = "The name that visitors use, such as www.example.jp."
}

variable "site" {
  type        = string
  description = "The site's name in katahai.toml."
}

variable "instances" {
  description = "The instances by name: the address that visitors get, and where /readyz answers."
  type = map(object({
    address     = string
    ready_host  = string
    ready_port  = optional(number, 9900)
    ready_https = optional(bool, false)
  }))
}

resource "aws_route53_health_check" "ready" {
  for_each = var.instances

  ip_address        = can(regex("^[0-9.]+$|:", each.value.ready_host)) ? each.value.ready_host : null
  fqdn              = can(regex("^[0-9.]+$|:", each.value.ready_host)) ? null : each.value.ready_host
  port              = each.value.ready_port
  type              = each.value.ready_https ? "HTTPS" : "HTTP"
  resource_path     = "/readyz?site=${urlencode(var.site)}"
  request_interval  = 10
  failure_threshold = 2

  tags = {
    Name = "katahai ${var.site} ${each.key}"
  }
}

# Latency, weight or failover instead: replace the policy; the health checks stay.
resource "aws_route53_record" "site" {
  for_each = var.instances

  zone_id         = var.zone_id
  name            = var.name
  type            = strcontains(each.value.address, ":") ? "AAAA" : "A"
  ttl             = 30
  records         = [each.value.address]
  set_identifier  = each.key
  health_check_id = aws_route53_health_check.ready[each.key].id

  multivalue_answer_routing_policy = true
}
